package failpoints;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A place in the server's code: where a method begins, or before or after its calls of another one. */
final class Point {
  final String name;
  final String type;    // the class, as in bytecode: org/apache/zookeeper/server/quorum/Learner
  final String method;
  final String call;    // null: where the method begins
  final boolean after;

  /** Read `TYPE NAME`; a name is `Class.method:enter`, `Class.method:call:before` or `...:after`. */
  private Point(String line) {
    String[] words = line.split(" ");
    type = words[0];
    name = words[1];
    String[] parts = name.split(":");
    method = parts[0].substring(parts[0].lastIndexOf('.') + 1);
    call = parts.length == 2 ? null : parts[1];
    after = parts[parts.length - 1].equals("after");
  }

  static List<Point> read(Path file) throws IOException {
    List<Point> points = new ArrayList<>();
    for (String line : Files.readAllLines(file)) {
      points.add(new Point(line));
    }
    return points;
  }
}
