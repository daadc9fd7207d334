"""`orchestune up` and `down` on real machines: who is there, who is refused, what stays when nothing should."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.cluster.conftest import MACHINES, NETWORK, Lab

pytestmark = [pytest.mark.ray, pytest.mark.cluster, pytest.mark.timeout(300)]
HEAD = MACHINES["head"]


def test_up_ends_when_all_machines_are_there(lab: Lab) -> None:
    assert lab.up.splitlines()[-1] == "3 nodes, 3 CPUs, 0 GPUs"
    assert all(any("raylet" in line for line in lab.rays(host)) for host in MACHINES)


def test_a_second_up_restarts_nothing(lab: Lab) -> None:
    before = {host: pids(lab, host) for host in MACHINES}
    said = lab.laptop("orchestune up")
    assert "left alone" in said
    assert said.splitlines()[-1] == "3 nodes, 3 CPUs, 0 GPUs"
    assert {host: pids(lab, host) for host in MACHINES} == before


def test_the_machines_have_the_settings(lab: Lab) -> None:
    for host in MACHINES:
        raylet = next(line for line in lab.rays(host) if "raylet/raylet" in line).split()[0]
        settings = lab.on(host, f"tr '\\0' '\\n' < /proc/{raylet}/environ").splitlines()
        assert {
            "RAY_AUTH_MODE=token",
            "RAY_memory_monitor_refresh_ms=0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1",
            "ORCHESTUNE_STORAGE=/mnt/shared",
        } <= set(settings)


def test_the_token_is_in_its_files_alone(lab: Lab) -> None:
    token = (lab.root("laptop") / ".ray" / "auth_token").read_text().strip()
    assert len(token) == 64
    assert token not in lab.up
    lab.on("head", "ray job submit --no-wait --submission-id sleeper -- sleep 61 && until pgrep -x sleep; do :; done")
    python = Path(sys.base_prefix).name  # thousands of files that are this machine's
    for host in ("laptop", *MACHINES):
        # From the pattern's file, so that the search itself does not show what it looks for.
        found = lab.on(
            host, f"grep -rlFf ~/.ray/auth_token --exclude-dir={python} ~ /tmp /mnt 2>/dev/null", check=False
        )
        assert found.splitlines() == ["/root/.ray/auth_token"]
        assert lab.on(host, "stat -c '%a %n' ~/.ray ~/.ray/auth_token") == "700 /root/.ray\n600 /root/.ray/auth_token\n"
        seen = lab.on(host, "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'", check=False)
        assert "PATH=" in seen
        assert host != "head" or "sleep\n61" in seen
        assert token not in seen
    lab.on("head", "ray job stop sleeper")


@pytest.mark.parametrize(
    "command",
    [
        f"ray status --address {HEAD}:6379",
        f"ray start --address {HEAD}:6379 --num-cpus=1 --object-store-memory=100000000",
    ],
    ids=["status", "joining"],
)
def test_without_the_token_the_cluster_is_closed(lab: Lab, command: str) -> None:
    done = lab.run("laptop", f"HOME=/tmp {command}")
    assert done.returncode != 0
    assert "Authentication token is missing or incorrect" in done.stdout


def test_without_the_token_no_job_is_taken(lab: Lab) -> None:
    ask = "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8265/api/jobs/"
    assert lab.on("head", ask) == "401"
    assert lab.on("head", f'{ask} -H "Authorization: Bearer $(cat ~/.ray/auth_token)"') == "200"


def test_the_jobs_are_reached_through_the_head_alone(lab: Lab) -> None:
    listening = lab.on("head", "ss -ltnH")
    assert re.findall(r"(\S+):8265\s", listening) == ["127.0.0.1"]
    assert lab.run("laptop", f"curl -s --max-time 5 http://{HEAD}:8265/").returncode == 7


def test_every_port_is_one_that_a_firewall_can_name(lab: Lab) -> None:
    documented = {22, 6379, 10001, 44217, 44227, *range(6380, 6386), *range(10002, 11000)}
    for host in MACHINES:
        listening = re.findall(r"(\S+):(\d+)\s", lab.on(host, "ss -ltnH | awk '{print $4 \" \"}'"))
        assert listening
        outside = {int(port) for address, port in listening if not address.startswith(("127.", "[::1]"))}
        assert outside <= documented, f"{host}: {sorted(outside - documented)}"


def test_a_worker_whose_first_start_failed_is_started_all_the_same(lab: Lab) -> None:
    assert len((lab.root("w2") / "failed").read_text()) == 3
    assert f"{MACHINES['w2']}: Ray's launcher has given up on it; starting it from here" in lab.up


def test_machines_that_do_not_answer_are_named(lab: Lab) -> None:
    nobody = f"{NETWORK}.99"
    other = lab.project / "other.yaml"
    other.write_text((lab.project / "cluster.yaml").read_text().replace(HEAD, nobody))
    done = lab.run("laptop", "cd project && orchestune up --cluster other.yaml")
    assert done.returncode == 2
    assert f"{nobody} cannot be reached over ssh as root" in done.stdout


def test_down_names_the_machines_that_it_cannot_look_at(lab: Lab) -> None:
    """With other machines in it than ours, none of which is there: what runs is not touched."""
    other = lab.project / "other.yaml"
    text = (lab.project / "cluster.yaml").read_text()
    other.write_text(text.replace(f"{NETWORK}.1", f"{NETWORK}.9").replace("cluster_name: ", "cluster_name: other-"))
    done = lab.run("laptop", "cd project && orchestune down --cluster other.yaml")
    assert done.returncode == 2
    assert all(f"{NETWORK}.9{n} cannot be reached over ssh" in done.stdout for n in (2, 3, 4))
    assert "Traceback" not in done.stdout


def test_a_setup_command_that_fails_is_told_with_its_words(lab: Lab) -> None:
    """On a machine where nothing runs; of the three the one that is the laptop is left."""
    other = lab.project / "other.yaml"
    text = (lab.project / "cluster.yaml").read_text().replace(HEAD, lab.hosts("ip", "laptop").stdout.strip())
    text = text.replace("chmod 700 ~/.ray", "echo no room on this disk >&2; exit 3").replace("_name: ", "_name: other-")
    other.write_text(text)
    done = lab.run("laptop", "cd project && orchestune up --cluster other.yaml")
    assert done.returncode == 2
    assert "\n  no room on this disk\n" in f"{done.stdout}\n"
    assert "Traceback" not in done.stdout
    assert "INFO" not in done.stdout


def test_the_tunnel_leads_to_the_head_and_leaves_nothing_behind(lab: Lab) -> None:
    ask = """
from pathlib import Path
from orchestune.cluster import nodes, ssh
from orchestune.cluster.description import Description
from orchestune.errors import ClusterError
description = Description.read(Path("cluster.yaml"))
with ssh.tunnel(description) as port:
    print([node.address for node in nodes.joined(port)][0])
try:
    with ssh.tunnel(description, 1):
        print("a tunnel to nobody")
except ClusterError as refusal:
    print(refusal)
"""
    said = lab.laptop(f"python - <<'END'{ask}END")
    assert said == f"{HEAD}\nnothing listens on port 1 of {HEAD}: start Ray there with `orchestune up`\n"
    killed = lab.laptop(
        "python - <<'END'"
        + ask.replace("    print([node", "    import os; os.kill(os.getpid(), 9)\n    print([node")
        + "END\nsleep 1; pgrep -a ssh || true"
    )
    assert f"root@{HEAD}" not in killed, "ssh has outlived its killed user"


def test_commands_run_on_every_machine(lab: Lab) -> None:
    ask = """
from pathlib import Path
from orchestune.cluster import ssh
from orchestune.cluster.description import Description
from orchestune.errors import ClusterError
description = Description.read(Path("cluster.yaml"))
for host in (None, *description.workers):
    print(ssh.run(description, 'echo "$(hostname) $ORCHESTUNE_STORAGE"', host=host, timeout=20), end="")
for command in ("echo one; echo two >&2; exit 7", "sleep 30"):
    try:
        ssh.run(description, command, host=description.workers[0], timeout=1)
    except ClusterError as problem:
        print(problem)
"""
    assert lab.laptop(f"python - <<'END'{ask}END").splitlines() == [
        "head /mnt/shared",
        "w1 /mnt/shared",
        "w2 /mnt/shared",
        f"{MACHINES['w1']}: `echo one; echo two >&2; exit 7` ended with exit code 7: two",
        f"{MACHINES['w1']}: `sleep 30` did not end within 1 s",
    ]


def test_files_are_brought_from_the_head(lab: Lab) -> None:
    (lab.shared / "a run" / "trials").mkdir(parents=True)
    for name in ("events.jsonl", "trials/weights.pt"):
        (lab.shared / "a run" / name).write_text(name)
    ask = """
from pathlib import Path
from orchestune.cluster import ssh
from orchestune.cluster.description import Description
description = Description.read(Path("cluster.yaml"))
ssh.copy_from(description, "/mnt/shared/a run/", Path("brought/here"), filters=["- *.pt"])
ssh.copy_from(description, "~/.orchestune.sh", Path("brought"))
"""
    said = lab.laptop(f"python - <<'END'{ask}END\nfind brought -type f")
    assert sorted(said.split()) == ["brought/.orchestune.sh", "brought/here/events.jsonl"]


def pids(lab: Lab, host: str) -> list[str]:
    return [line.split()[0] for line in lab.rays(host) if "raylet/raylet" in line or "gcs_server" in line]
