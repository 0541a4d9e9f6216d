"""The servers at the end, side by side."""

from harness.report import server_trees
from harness.report.server_trees import EndState
from worlds.histories.by_hand import history, note
from worlds.histories.judged_runs import modes, tree


def row(state: EndState, name: str) -> server_trees.ServerRow:
    """Return the row of one name."""
    return next(row for row in state.rows if row.name == name)


def test_servers_that_agree() -> None:
    """Servers with the same tree agree, and no row differs but their roles."""
    state = server_trees.compare(
        history(modes(0, 2), *(tree(n, 9, items=[4, 5]) for n in (1, 2, 3)))
    )
    assert (state.nodes, state.read, state.agree) == ((1, 2, 3), 3, True)
    assert row(state, "items").cells == ("2: 4, 5",) * 3
    assert row(state, "last seen as").cells == ("follower", "leader", "follower")
    assert not any(row.differs for row in state.rows)


def test_servers_that_do_not_agree() -> None:
    """One item more on one server: the trees differ, and the row says where."""
    state = server_trees.compare(history(tree(1, 9, items=[4]), tree(2, 9, items=[])))
    assert state.agree is False
    assert [row.name for row in state.rows if row.differs] == ["digest of the tree", "items"]


def test_a_server_that_could_not_be_read() -> None:
    """It is shown with the reason, and does not count as agreeing."""
    unread = note("tree", 9, node=2, reachable=False, error="timed out")
    state = server_trees.compare(history(tree(1, 9), unread))
    assert (state.read, state.agree) == (1, None)
    assert row(state, "tree").cells == ("read", "not readable: timed out")


def test_logs_are_told() -> None:
    """What a server's log says is in its column."""
    log = note("server-log", 9, node=1, patterns={"severe": 2}, samples=[])
    assert row(server_trees.compare(history(log)), "log").cells == ("severe: 2",)


def test_long_lists_are_cut() -> None:
    """A long list of items shows how many there are, and the first ones."""
    state = server_trees.compare(history(tree(1, 9, items=list(range(5000)))))
    (cell,) = row(state, "items").cells
    assert cell.startswith("5,000: 0, 1, 2")
    assert len(cell) < 80


def test_nothing_recorded() -> None:
    """A run that never came to its end state shows no servers, and claims no agreement."""
    state = server_trees.compare(history())
    assert (state.nodes, state.agree) == ((), None)
