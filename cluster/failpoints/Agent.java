package failpoints;

import java.io.IOException;
import java.lang.instrument.ClassFileTransformer;
import java.lang.instrument.Instrumentation;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.ProtectionDomain;
import java.util.HashSet;

/** Loaded into a server (`-javaagent:failpoints.jar=STATE`): weaves the points of STATE/points into its classes. */
public final class Agent {
  private Agent() {
  }

  public static void premain(String state, Instrumentation server) throws IOException {
    Path folder = Paths.get(state);
    Weaver weaver = new Weaver(Point.read(folder.resolve("points")));
    Failpoints.watch(folder);
    server.addTransformer(new ClassFileTransformer() {
      @Override
      public byte[] transform(
          ClassLoader loader, String type, Class<?> old, ProtectionDomain domain, byte[] code) {
        try {
          return type == null ? null : weaver.woven(type, code, new HashSet<>());
        } catch (RuntimeException error) {
          System.err.println("failpoints: " + type + ": " + error);    // the JVM would hide it
          return null;
        }
      }
    });
  }
}
