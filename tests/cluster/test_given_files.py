"""The files in clusters/, as far as they can be judged without a cloud: by Ray's schema, KubeRay's, their claims."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.runtime_env import RuntimeEnv

from orchestune.arguments import parser_of
from orchestune.cli import COMMANDS
from orchestune.running.ray_session import RAY_SETTINGS

CLUSTERS = Path(__file__).parents[2] / "clusters"
FILES = ("aws.yaml", "kuberay.yaml", "kuberay-job.yaml")
FIELDS = json.loads(Path(__file__).with_name("kuberay_fields.json").read_text())


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((CLUSTERS / name).read_text()))


@pytest.fixture
def aws() -> Any:
    return documents("aws.yaml")[0]


@pytest.fixture
def kuberay() -> dict[str, Any]:
    return {document["kind"]: document for document in documents("kuberay.yaml")}


@pytest.fixture
def job() -> Any:
    return documents("kuberay-job.yaml")[0]["spec"]


def commands(aws: Any) -> list[str]:
    return [command for field, commands in aws.items() if field.endswith("_commands") for command in commands]


def pods(kuberay: dict[str, Any]) -> Iterator[Any]:
    spec = kuberay["RayCluster"]["spec"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        yield group["template"]["spec"]


@pytest.mark.parametrize("name", FILES)
def test_each_file_says_what_was_never_tried(name: str) -> None:
    header = re.split(r"^[^#]", (CLUSTERS / name).read_text(), maxsplit=1, flags=re.MULTILINE)[0]
    assert "Nobody of us has ever started it on a real cl" in header
    assert "Ray 2.60's own schema" in header or "KubeRay 1.6.2's definitions" in header


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_open_to_the_world(name: str) -> None:
    text = (CLUSTERS / name).read_text()
    assert "0.0.0.0/0" not in text
    assert "::/0" not in text
    assert "LoadBalancer" not in text
    assert "NodePort" not in text
    assert "Ingress\n" not in re.findall(r"^kind: .*\n", text, re.MULTILINE)


@pytest.mark.parametrize("name", FILES)
def test_no_token_is_written_down(name: str) -> None:
    text = (CLUSTERS / name).read_text()
    assert "RAY_AUTH_TOKEN" not in text
    assert not re.search(r"[0-9a-f]{32}", text)
    assert "Secret" not in {document["kind"] for document in documents(name) if "kind" in document}


# Amazon ------------------------------------------------------------------------------------------------------------


def test_aws_is_what_ray_wants(aws: Any) -> None:
    filled = prepare_config(aws)
    validate_config(filled)
    assert filled["head_node_type"] in filled["available_node_types"]
    with pytest.raises(jsonschema.ValidationError):  # so the schema looks
        validate_config({**filled, "idle_timeout_minute": 5})


def test_ray_makes_no_security_group_key_or_profile_of_its_own(aws: Any) -> None:
    """Its group would have ssh open to the world. Whatever would speak to Amazon raises here."""
    code = """
import json, sys
from unittest.mock import MagicMock
closed = MagicMock(side_effect=RuntimeError("asks Amazon"))
parts = "boto3 boto3.exceptions boto3.resources boto3.resources.base botocore botocore.config botocore.client"
for name in parts.split():
    sys.modules[name] = MagicMock()
sys.modules["boto3"].__version__ = "2"
sys.modules["boto3"].Session = sys.modules["boto3"].client = sys.modules["boto3"].resource = closed
from ray.autoscaler._private.aws import config as amazon
amazon._client = amazon._resource = closed
given = json.load(sys.stdin)
made = amazon._configure_security_group(amazon._configure_key_pair(amazon._configure_iam_role(given)))
print(json.dumps(made["available_node_types"]))
"""

    def configured(config: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", code], input=json.dumps(config), capture_output=True, text=True,
                              check=False)  # fmt: skip

    done = configured(aws)
    assert json.loads(done.stdout.splitlines()[-1]) == aws["available_node_types"], done.stderr
    del aws["available_node_types"]["cpu"]["node_config"]["SecurityGroupIds"]
    assert "asks Amazon" in configured(aws).stderr


def test_every_machine_is_in_the_given_group(aws: Any) -> None:
    assert "security_group" not in aws["provider"]
    for kind in aws["available_node_types"].values():
        machine = kind["node_config"]
        assert machine["SecurityGroupIds"] == ["SECURITY-GROUP"]
        assert machine["MetadataOptions"] == {"HttpTokens": "required"}
        assert machine["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]


def test_the_head_is_small_and_stays_and_workers_come_and_go(aws: Any) -> None:
    kinds = aws["available_node_types"]
    head = kinds.pop(aws["head_node_type"])
    assert head["resources"]["CPU"] == 0
    assert "InstanceMarketOptions" not in head["node_config"]
    assert head["node_config"]["IamInstanceProfile"] != kinds["cpu"]["node_config"]["IamInstanceProfile"]
    assert all(kind["min_workers"] < kind["max_workers"] for kind in kinds.values())
    assert kinds["cpu"]["min_workers"] > 0, "a run needs a machine to begin with"
    assert kinds["gpu"]["node_config"]["InstanceMarketOptions"]["MarketType"] == "spot"
    assert kinds["gpu"]["resources"]["GPU"] > 0
    assert "--num-cpus=0" in " ".join(aws["head_start_ray_commands"])


def test_the_dashboard_is_on_loopback(aws: Any) -> None:
    assert re.findall(r"--dashboard-host=(\S+)", " ".join(commands(aws))) == ["127.0.0.1"]


def test_aws_commands_are_bash(aws: Any) -> None:
    for command in commands(aws):
        subprocess.run(["bash", "-n", "-c", command], check=True)


def test_the_settings_reach_every_shell_once(aws: Any, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("x")
    assert aws["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    for command in 2 * aws["setup_commands"][:3]:
        subprocess.run(["bash", "-c", command], env=home, check=True)
    assert (tmp_path / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".bashrc").read_text().count("orchestune.sh") == 1
    shown = subprocess.run(
        ["bash", "-c", ". ~/.bashrc; env"], env=home, check=True, capture_output=True, text=True
    ).stdout
    found = dict(line.split("=", 1) for line in shown.splitlines())
    assert found["RAY_AUTH_MODE"] == "token"
    assert RAY_SETTINGS.items() <= found.items()
    assert Path(found["ORCHESTUNE_STORAGE"]).is_absolute()
    assert " ".join(commands(aws)).count("ORCHESTUNE_STORAGE=") == 1, "one place"


def test_dependencies_are_the_tested_ones(aws: Any) -> None:
    house = CLUSTERS.parent
    for there, here in aws["file_mounts"].items():
        assert here.startswith("~") or (house / here).exists()
        assert there.startswith("~/")
    assert "-c ~/orchestune-source/constraints.txt" in " ".join(aws["setup_commands"])


# Kubernetes --------------------------------------------------------------------------------------------------------


def validate(document: Any) -> None:
    jsonschema.validate(document, {**FIELDS, "oneOf": [{"$ref": f"#/$defs/{document['kind']}"}]})


def test_every_field_is_one_that_kuberay_knows() -> None:
    for name in FILES[1:]:
        for document in documents(name):
            validate(document)


@pytest.mark.parametrize("wrong", [{"workerGroupSpec": []}, {"enableInTreeAutoscaling": "yes"}, {"headGroupSpec": {}}])
def test_fields_that_kuberay_does_not_know_are_found(kuberay: dict[str, Any], wrong: dict[str, Any]) -> None:
    kuberay["RayCluster"]["spec"] |= wrong
    with pytest.raises(jsonschema.ValidationError):
        validate(kuberay["RayCluster"])


def test_only_the_clusters_own_pods_and_the_operator_get_in(kuberay: dict[str, Any]) -> None:
    policy = kuberay["NetworkPolicy"]["spec"]
    own = {"matchLabels": {"ray.io/cluster": kuberay["RayCluster"]["metadata"]["name"]}}
    assert policy["podSelector"] == own
    assert policy["policyTypes"] == ["Ingress"]
    inside, operator = policy["ingress"]
    assert inside == {"from": [{"podSelector": own}]}
    assert len(operator["from"]) == 1
    assert set(operator["from"][0]) == {"namespaceSelector", "podSelector"}, "of one namespace, not of any"
    assert operator["ports"] == [{"port": 8265, "protocol": "TCP"}]
    assert kuberay["RayCluster"]["spec"]["headGroupSpec"]["serviceType"] == "ClusterIP"


def test_pods_ask_for_a_token_that_a_secret_holds(kuberay: dict[str, Any]) -> None:
    spec = kuberay["RayCluster"]["spec"]
    assert spec["authOptions"] == {"mode": "token", "secretName": "orchestune-token"}
    assert "secret generic orchestune-token --from-file=auth_token=" in (CLUSTERS / "kuberay.yaml").read_text()


def test_no_pod_runs_as_root(kuberay: dict[str, Any]) -> None:
    spec = kuberay["RayCluster"]["spec"]
    containers = [container for pod in pods(kuberay) for container in pod["containers"]]
    assert len(containers) == 3
    for context in [spec["autoscalerOptions"]["securityContext"], *(c["securityContext"] for c in containers)]:
        assert context["runAsNonRoot"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
    assert all(pod["securityContext"]["runAsUser"] > 0 for pod in pods(kuberay))
    head, *workers = pods(kuberay)
    assert "automountServiceAccountToken" not in head, "its autoscaler speaks to Kubernetes"
    assert not any(worker["automountServiceAccountToken"] for worker in workers)


def test_every_pod_has_the_settings_and_the_storage(kuberay: dict[str, Any]) -> None:
    claim = kuberay["PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for pod in pods(kuberay):
        container = pod["containers"][0]
        found = {variable["name"]: variable["value"] for variable in container["env"]}
        assert RAY_SETTINGS.items() <= found.items()
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        runs = volumes[mounts[found["ORCHESTUNE_STORAGE"]]]
        assert runs["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert "/dev/shm" in mounts


def test_groups_scale_and_one_has_gpus(kuberay: dict[str, Any]) -> None:
    spec = kuberay["RayCluster"]["spec"]
    assert spec["enableInTreeAutoscaling"]
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    groups = {group["groupName"]: group for group in spec["workerGroupSpecs"]}
    assert all(group["minReplicas"] < group["maxReplicas"] for group in groups.values())
    assert groups["cpu"]["minReplicas"] > 0, "a run needs a machine to begin with"
    limits = {name: group["template"]["spec"]["containers"][0]["resources"]["limits"] for name, group in groups.items()}
    assert "nvidia.com/gpu" in limits["gpu"]
    assert "nvidia.com/gpu" not in limits["cpu"]


def test_the_job_is_a_run_that_orchestune_understands(job: Any, kuberay: dict[str, Any]) -> None:
    words = shlex.split(job["entrypoint"])
    parser, _ = parser_of(COMMANDS)
    options = parser.parse_args(words[1:])
    assert words[0] == "orchestune"
    assert (options.name_of_command, options.run_name) == ("run", "RUN-NAME")
    assert (str(options.storage), options.address) == ("$ORCHESTUNE_STORAGE", "$RAY_ADDRESS")
    assert job["clusterSelector"] == {"ray.io/cluster": kuberay["RayCluster"]["metadata"]["name"]}
    assert documents("kuberay-job.yaml")[0]["metadata"]["name"] == options.run_name


def test_ray_takes_the_jobs_runtime_environment(job: Any) -> None:
    given = yaml.safe_load(job["runtimeEnvYAML"])
    assert RuntimeEnv(**given) == given
    dockerfile = (CLUSTERS / "kuberay.yaml").read_text()
    assert f"COPY --chown=ray:users . {given['working_dir'].removeprefix('local://')}\n" in dockerfile


def test_the_image_has_the_ray_that_is_installed_here(kuberay: dict[str, Any]) -> None:
    assert kuberay["RayCluster"]["spec"]["rayVersion"] == version("ray")
    assert f"FROM rayproject/ray:{version('ray')}-py311\n" in (CLUSTERS / "kuberay.yaml").read_text()
