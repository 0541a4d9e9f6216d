"""The texts that go to nft and tc, and what is read from their answers."""

import json
import subprocess
from collections.abc import Sequence

import pytest

from cluster.cluster_errors import ClusterError, CommandKilledError
from cluster.pods import network, sandbox
from cluster.pods.sandbox import Sandbox
from harness.faults.packets import links
from harness.target.disturbances import Drops, Shape

ADDRESSES = {1: "10.0.0.1", 2: "10.0.0.2", 3: "10.0.0.3"}


def test_a_rule_replaces_itself_in_one_script() -> None:
    """The script flushes and refills each chain, so one call goes from the old rule to the new."""
    both = Drops(deaf_to=frozenset({2, 3}), mute_to=frozenset({2}))
    assert network.script_of("cut", both, ADDRESSES).splitlines() == [
        "add table inet nemesis",
        "add chain inet nemesis cut_in { type filter hook input priority -10; }",
        "flush chain inet nemesis cut_in",
        "add rule inet nemesis cut_in ip saddr 10.0.0.2 counter drop",
        "add rule inet nemesis cut_in ip saddr 10.0.0.3 counter drop",
        "add chain inet nemesis cut_out { type filter hook output priority -10; }",
        "flush chain inet nemesis cut_out",
        "add rule inet nemesis cut_out ip daddr 10.0.0.2 counter drop",
    ]


def test_a_direction_that_loses_nothing_has_no_chain() -> None:
    """A node that is only deaf has no chain on output, and one that loses nothing has none."""
    deaf = network.script_of("cut", Drops(deaf_to=frozenset({2})), ADDRESSES)
    assert "delete chain inet nemesis cut_out" in deaf
    nothing = network.script_of("cut", Drops(), ADDRESSES)
    assert nothing.count("delete chain") == 2
    assert "drop" not in nothing


def test_other_tables_stay() -> None:
    """Nothing but the nemesis's own table is named: Docker's name service lives in another."""
    script = network.script_of("cut", Drops(deaf_to=frozenset({2})), ADDRESSES)
    assert all("inet nemesis" in line for line in script.splitlines())
    assert "flush ruleset" not in script


@pytest.mark.parametrize(("percent", "chance"), [(20.0, 2000), (0.5, 50), (99.99, 9999)])
def test_a_share_is_drawn_for_each_packet(percent: float, chance: int) -> None:
    """A share is a random number below as many ten-thousandths."""
    some = Drops(deaf_to=frozenset({2}), percent=percent)
    told = network.script_of("loss", some, ADDRESSES)
    assert f"numgen random mod 10000 < {chance} counter drop" in told


def listing(*rules: tuple[str, int, int]) -> str:
    """Return what nft lists for rules: a chain, the peer it is about, and packets."""
    header = {"payload": {"protocol": "ip", "field": "saddr"}}
    chance = {"match": {"op": "<", "left": {"numgen": {"mod": 10000}}, "right": 2000}}
    entries = [
        {
            "rule": {
                "chain": chain,
                "expr": [
                    *([chance] if chain.startswith("loss") else []),
                    {"match": {"op": "==", "left": header, "right": ADDRESSES[peer]}},
                    {"counter": {"packets": packets, "bytes": 9}},
                    {"drop": None},
                ],
            }
        }
        for chain, peer, packets in rules
    ]
    return json.dumps({"nftables": [{"metainfo": {}}, *entries]})


@pytest.mark.parametrize(
    ("told", "packets"),
    [
        (listing(("cut_in", 2, 3), ("cut_out", 2, 4), ("cut_in", 3, 1)), {2: 7, 3: 1}),
        (listing(("cut_in", 2, 3), ("loss_in", 3, 9)), {2: 3}),
        (listing(("cut_in", 2, 0)), {2: 0}),
        (listing(("loss_in", 2, 9)), {}),
        ("{}", {}),
    ],
    ids=["both-ways", "of-this-rule", "none-yet", "of-another", "no-table"],
)
def test_packets_are_counted_by_rule_and_peer(told: str, packets: dict[int, int]) -> None:
    """A rule's packets are those of its own chains; no rule is not a rule that counted none."""
    by_address = {ADDRESSES[peer]: count for peer, count in packets.items()}
    assert network.counted(told, "cut") == by_address


@pytest.mark.parametrize("told", ['{"nftables": [{"rule', "[]", ""])
def test_a_listing_that_is_cut_off_is_an_error(told: str) -> None:
    """It is neither a traceback nor a node without rules."""
    with pytest.raises(ClusterError, match="nft list: expected rules as JSON, got"):
        network.counted(told, "cut")


def test_a_share_is_counted_by_peer_too() -> None:
    """The peer is the address that the rule matches, not the chance that it draws."""
    assert network.counted(listing(("loss_in", 3, 9)), "loss") == {"10.0.0.3": 9}


def test_a_shape_in_the_words_of_tc() -> None:
    """Bandwidth needs tbf, which every kernel has."""
    words = "tbf rate 64kbit burst 2kb latency 1s"
    assert network.discipline(Shape(rate_kbit=64)) == words


class AnsweringSandbox(Sandbox):
    """A sandbox whose commands print these answers, one after the other."""

    def __init__(self, *answers: str | ClusterError) -> None:
        super().__init__(id=3, run="r", tags={})
        self._answers, self.commands = iter(answers), list[Sequence[str]]()

    def run(self, command: Sequence[str]) -> str:
        """Print the next answer, or end as it says."""
        self.commands.append(command)
        answer = next(self._answers)
        if isinstance(answer, ClusterError):
            raise answer
        return answer


def test_a_killed_command_is_repeated_where_that_does_no_harm() -> None:
    """A rule that is put in force twice is in force; what fails for another reason is told."""
    killed, refused = CommandKilledError("killed"), ClusterError("exit 1: no such chain")
    assert AnsweringSandbox(killed, killed, "done").repeat(["nft"]) == "done"
    with pytest.raises(ClusterError, match="exit 1"):
        AnsweringSandbox(killed, refused, "done").repeat(["nft"])
    with pytest.raises(CommandKilledError):
        AnsweringSandbox(killed, killed, killed, "done").repeat(["nft"])


def test_a_listing_that_came_back_empty_is_asked_for_again() -> None:
    """An answer that the engine lost says nothing about the rules."""
    assert network.listing(AnsweringSandbox("", "\n", "{}")) == "{}"


def test_a_command_whose_answer_was_lost_ends_later() -> None:
    """It prints the same, ends with the same status, and lives a little longer each time."""
    node = AnsweringSandbox("", "", "b")
    script = "echo a $1; exit 3"
    assert node.ask(["sh", "-c", script, "-", "b c"], "x") == "b"
    first, second, third = node.commands
    assert first == ["sh", "-c", script, "-", "b c"]
    assert (second[3], third[3]) == ("0.2", "0.4")
    done = subprocess.run(second, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("a b c\n", 3)


def test_a_listing_that_never_comes_is_an_error() -> None:
    """Nothing at all is not an empty table; a few lost answers are not nothing at all."""
    lost = [""] * (sandbox.ASKS - 1)
    assert network.listing(AnsweringSandbox(*lost, "{}")) == "{}"
    with pytest.raises(ClusterError, match="node 3: nft list: expected an answer, got nothing 8"):
        network.listing(AnsweringSandbox(*lost, ""))


@pytest.mark.parametrize(
    ("told", "supported"), [("tried", True), ("Error: Specified qdisc kind is unknown.", False)]
)
def test_netem_is_known_by_what_tc_says(told: str, *, supported: bool) -> None:
    """A lost answer is no yes."""
    assert network.supports_netem(AnsweringSandbox("", told)) is supported


QUEUE = {"kind": "tbf", "dev": "eth0", "root": True, "packets": 9, "drops": 0, "overlimits": 4}
LOOPBACK = {"kind": "noqueue", "dev": "lo", "root": True, "packets": 0, "overlimits": 0}


def test_what_a_shape_held_back() -> None:
    """Bandwidth holds back what is over the limit; no answer is asked for again."""
    seen = network.shaped(AnsweringSandbox("", json.dumps([LOOPBACK, QUEUE])))
    assert seen == {"node": 3, "kind": "tbf", "packets": 9, "held": 4}


def test_clients_of_several_hosts_have_a_device_of_their_own() -> None:
    """What it held back is told apart, so that a shape left there is seen."""
    clients = {**QUEUE, "dev": "eth1", "packets": 20, "overlimits": 7}
    seen = network.shaped(AnsweringSandbox(json.dumps([QUEUE | {"kind": "noqueue"}, clients])))
    assert seen["clients"] == {"kind": "tbf", "packets": 20, "held": 7}
    assert links._kinds(seen) == {"noqueue", "tbf"}


@pytest.mark.parametrize("told", ["[]", "[{}]", "Cannot find device", '[{"kind": "tbf"}]'])
def test_a_shape_that_tc_does_not_tell_is_an_error(told: str) -> None:
    """What is no queue with its counts is an error of the cluster that shows the answer."""
    with pytest.raises(ClusterError, match="node 3: tc show: expected a queue with its counts"):
        network.shaped(AnsweringSandbox(told))
