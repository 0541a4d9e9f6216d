package failpoints;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.Enumeration;
import java.util.Set;
import java.util.TreeSet;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/** Prints which points the classes of a folder of jars have: Check POINTS FOLDER. It weaves as the agent does. */
public final class Check {
  private Check() {
  }

  public static void main(String[] arguments) throws IOException {
    Weaver weaver = new Weaver(Point.read(Paths.get(arguments[0])));
    Set<String> found = new TreeSet<>();
    File[] jars = new File(arguments[1]).listFiles((folder, name) -> name.endsWith(".jar"));
    for (File jar : jars == null ? new File[0] : jars) {
      look(jar, weaver, found);
    }
    found.forEach(System.out::println);
    System.out.println("checked");
  }

  private static void look(File jar, Weaver weaver, Set<String> found) throws IOException {
    try (ZipFile content = new ZipFile(jar)) {
      for (String type : weaver.types()) {
        ZipEntry entry = content.getEntry(type + ".class");
        if (entry != null) {
          try (InputStream code = content.getInputStream(entry)) {
            weaver.woven(type, readAll(code), found);
          }
        }
      }
    }
  }

  private static byte[] readAll(InputStream in) throws IOException {
    byte[] all = new byte[1 << 20];
    int end = 0;
    for (int read; (read = in.read(all, end, all.length - end)) > 0; ) {
      end += read;
      all = end == all.length ? Arrays.copyOf(all, 2 * end) : all;
    }
    return Arrays.copyOf(all, end);
  }
}
