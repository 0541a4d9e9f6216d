package failpoints;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** What rules did, a line each: TOKEN, what, the thread's number, milliseconds since 1970, the thread's name. */
final class Journal {
  private final File file;

  Journal(Path folder) {
    file = folder.resolve("journal").toFile();
  }

  /** Return how many threads a rule has counted, in this server and in those before it. */
  long hits(String token) throws IOException {
    long most = 0;
    if (file.exists()) {
      for (String line : Files.readAllLines(file.toPath(), StandardCharsets.UTF_8)) {
        String[] words = line.split("\t");
        if (words.length == 5 && words[0].equals(token)) {
          most = Math.max(most, Long.parseLong(words[2]));
        }
      }
    }
    return most;
  }

  /** Append a line. It is with the kernel when this returns, and so outlives the server. */
  synchronized void write(Rule rule, String what, long number) throws IOException {
    String thread = Thread.currentThread().getName().replaceAll("[\t\n\r]", " ");
    String line = rule.token + "\t" + what + "\t" + number + "\t" + System.currentTimeMillis() + "\t" + thread + "\n";
    // No channel: an interrupted thread would close it.
    try (FileOutputStream out = new FileOutputStream(file, true)) {
      out.write(line.getBytes(StandardCharsets.UTF_8));
    }
  }
}
