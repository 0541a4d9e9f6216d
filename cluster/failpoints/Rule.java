package failpoints;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * What happens to threads that come to a point. Its file has one line: TOKEN POINT EFFECT NTH TIMES ARGUMENT.
 *
 * TOKEN is in every line of the journal about it. It hits TIMES threads from the NTH on; TIMES 0: all.
 * ARGUMENT: for `pause` and `sleep` how many milliseconds at most (0: until the file is gone); for `throw` the
 * exception's class; for `halt` the exit status.
 */
final class Rule {
  private static final int MOST_NOTED = 1000;    // hits of a rule without an end

  final String token;
  final String point;
  final String effect;
  private final long nth;
  private final long times;
  private final String argument;
  private final CountDownLatch over = new CountDownLatch(1);
  private long hits;

  private Rule(String[] words) {
    token = words[0];
    point = words[1];
    effect = words[2];
    nth = Long.parseLong(words[3]);
    times = Long.parseLong(words[4]);
    argument = words[5];
  }

  /** Read a rule; hits of servers that ran before this one count too. */
  static Rule read(Path file, Journal journal) throws IOException {
    List<String> lines = Files.readAllLines(file);
    Rule rule = new Rule(lines.get(0).split(" "));
    rule.hits = journal.hits(rule.token);
    return rule;
  }

  /** Count a thread; return its number, which is 0 if the rule is over. */
  synchronized long count() {
    return over.getCount() == 0 ? 0 : ++hits;
  }

  boolean strikes(long number) {
    return number >= nth && (times == 0 || number < nth + times);
  }

  boolean noted(long number) {
    return number > 0 && number < nth + (times == 0 ? MOST_NOTED : times);
  }

  /** End it: whom it holds goes on. */
  void end() {
    over.countDown();
  }

  boolean holds() {
    return effect.equals("pause") || effect.equals("sleep");
  }

  void hold() {
    await(Long.parseLong(argument));
  }

  void strike() throws Exception {
    if (effect.equals("throw")) {
      throw (Exception) Class.forName(argument).getConstructor(String.class).newInstance("failpoint " + point);
    }
    if (effect.equals("halt")) {
      Runtime.getRuntime().halt(Integer.parseInt(argument));
    }
  }

  /** Wait as a thread does that gets no processor: an interrupt is seen afterwards only. */
  private void await(long mostMs) {
    long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(mostMs == 0 ? Long.MAX_VALUE / 2_000_000 : mostMs);
    boolean interrupted = false;
    for (boolean done = false; !done; ) {
      try {
        done = over.await(until - System.nanoTime(), TimeUnit.NANOSECONDS) || until - System.nanoTime() <= 0;
      } catch (InterruptedException early) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
