package failpoints;

import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.ArrayList;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/** Inserts a call of Failpoints.hit at each point. It only inserts calls, so no stack frame changes. */
final class Weaver {
  private final Map<String, List<Point>> points = new HashMap<>();

  Weaver(Collection<Point> all) {
    for (Point point : all) {
      points.computeIfAbsent(point.type, type -> new ArrayList<>()).add(point);
    }
  }

  Set<String> types() {
    return points.keySet();
  }

  /** Return the class with its points, whose names go into `found`; null if it has none. */
  byte[] woven(String type, byte[] code, Set<String> found) {
    List<Point> mine = points.get(type);
    if (mine == null) {
      return null;
    }
    ClassReader reader = new ClassReader(code);
    ClassWriter writer = new ClassWriter(reader, ClassWriter.COMPUTE_MAXS);
    reader.accept(new ClassVisitor(Opcodes.ASM9, writer) {
      @Override
      public MethodVisitor visitMethod(int access, String name, String descriptor, String signature, String[] errors) {
        MethodVisitor next = super.visitMethod(access, name, descriptor, signature, errors);
        List<Point> here = new ArrayList<>(mine);
        here.removeIf(point -> !point.method.equals(name));
        return here.isEmpty() ? next : new Method(next, here, found);
      }
    }, 0);
    return writer.toByteArray();
  }

  private static final class Method extends MethodVisitor {
    private final List<Point> points;
    private final Set<String> found;

    Method(MethodVisitor next, List<Point> points, Set<String> found) {
      super(Opcodes.ASM9, next);
      this.points = points;
      this.found = found;
    }

    @Override
    public void visitCode() {
      super.visitCode();
      insert(null, false);
    }

    @Override
    public void visitMethodInsn(int opcode, String owner, String name, String descriptor, boolean ofInterface) {
      insert(name, false);
      super.visitMethodInsn(opcode, owner, name, descriptor, ofInterface);
      insert(name, true);
    }

    private void insert(String call, boolean after) {
      for (Point point : points) {
        if (point.after == after && (call == null ? point.call == null : call.equals(point.call))) {
          found.add(point.name);
          super.visitLdcInsn(point.name);
          super.visitMethodInsn(Opcodes.INVOKESTATIC, "failpoints/Failpoints", "hit", "(Ljava/lang/String;)V", false);
        }
      }
    }
  }
}
