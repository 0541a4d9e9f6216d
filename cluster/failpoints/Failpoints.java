package failpoints;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The rules in force, as the files in the folder `rules` say, and what woven code calls. */
public final class Failpoints {
  private static final int POLL_MS = 20;

  private static volatile Map<String, List<Rule>> rules = Collections.emptyMap();
  private static Journal journal;

  private final File folder;
  private final Map<String, Rule> byFile = new HashMap<>();

  private Failpoints(Path state) {
    folder = state.resolve("rules").toFile();
    journal = new Journal(state);
  }

  /** Read the rules now and then again and again, on a thread of its own. */
  static void watch(Path state) {
    Failpoints failpoints = new Failpoints(state);
    failpoints.look();
    Thread thread = new Thread(failpoints::keepLooking, "failpoints");
    thread.setDaemon(true);
    thread.start();
  }

  /** Do to this thread, which is at a point, what the rules say. */
  public static void hit(String point) {
    List<Rule> here = rules.get(point);
    if (here != null) {
      strike(here);
    }
  }

  /** Note all first, so that a rule that only waits for the hit sees it while another one holds the thread. */
  private static void strike(List<Rule> here) {
    Map<Rule, Long> struck = new HashMap<>();
    for (Rule rule : here) {
      long number = rule.count();
      boolean strikes = number > 0 && rule.strikes(number);
      if (rule.noted(number) && noted(rule, strikes ? rule.effect : "passed", number) && strikes) {
        struck.put(rule, number);
      }
    }
    for (Rule rule : here) {
      if (struck.containsKey(rule) && rule.holds()) {
        rule.hold();
        noted(rule, "went-on", struck.get(rule));
      }
    }
    for (Rule rule : here) {
      if (struck.containsKey(rule)) {
        try {
          rule.strike();
        } catch (Exception error) {
          Failpoints.<RuntimeException>raise(error);
        }
      }
    }
  }

  /** Tell whether it could be noted: what leaves no evidence must not happen. */
  private static boolean noted(Rule rule, String what, long number) {
    try {
      journal.write(rule, what, number);
      return true;
    } catch (IOException error) {
      System.err.println("failpoints: " + rule.point + ": " + error);
      return false;
    }
  }

  /** Throw an exception that the woven method need not declare. */
  @SuppressWarnings("unchecked")
  private static <T extends Throwable> void raise(Throwable error) throws T {
    throw (T) error;
  }

  private void keepLooking() {
    while (true) {
      try {
        Thread.sleep(POLL_MS);
      } catch (InterruptedException nobodyDoes) {
        return;
      }
      look();
    }
  }

  /** Take up rules whose files are new, and end those whose files are gone. */
  private void look() {
    String[] listed = folder.list();
    List<String> files = listed == null ? Collections.emptyList() : Arrays.asList(listed);
    boolean changed = byFile.keySet().stream().anyMatch(file -> !files.contains(file));
    for (String file : new ArrayList<>(byFile.keySet())) {
      if (!files.contains(file)) {
        byFile.remove(file).end();
      }
    }
    for (String file : files) {
      changed |= !byFile.containsKey(file) && take(file);
    }
    if (changed) {
      Map<String, List<Rule>> byPoint = new HashMap<>();
      byFile.values().forEach(rule -> byPoint.computeIfAbsent(rule.point, point -> new ArrayList<>()).add(rule));
      rules = byPoint;
    }
  }

  private boolean take(String file) {
    try {
      Rule rule = Rule.read(new File(folder, file).toPath(), journal);
      byFile.put(file, rule);
      return noted(rule, "in-force", 0);
    } catch (IOException | RuntimeException error) {
      System.err.println("failpoints: " + file + ": " + error);    // removed meanwhile, or to be read again
      return false;
    }
  }
}
