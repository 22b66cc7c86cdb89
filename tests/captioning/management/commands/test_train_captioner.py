import csv
import io
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from django.core.management import CommandError, call_command
from PIL import Image
from safetensors.torch import load_file

from pytorch.model.checkpoint import load_captioner
from pytorch.model.encoders import EncoderError
from tests.colours import write_colours

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[4]
OPTIONS = {"encoder": "efficientnet_lite2", "injection": "every-step", "epochs": 2}


@pytest.fixture(autouse=True)
def base_dir(settings, tmp_path):
    """Default places for data, cache and runs, away from the developer's own."""
    settings.BASE_DIR = tmp_path
    return tmp_path


def train(*arguments, data_root=None, **options):
    stdout = io.StringIO()
    root = [] if data_root is None else [f"--data-root={data_root}"]
    call_command("train_captioner", *map(str, arguments), *root, stdout=stdout, **options)
    return stdout.getvalue()


def test_it_prints_one_line_an_epoch_and_writes_the_checkpoint(base_dir):
    write_colours(base_dir / "data" / "flickr8k")
    lines = train(**OPTIONS, output=base_dir / "model").splitlines()
    assert re.match(r"epoch 1  loss \d+\.\d+  BLEU-1 \d\.\d+ .* CIDEr-D \d\.\d+  \d+ s", lines[0])
    assert lines[0].endswith("*")
    assert lines[1].startswith("epoch 2 ")
    assert lines[2].startswith("Best epoch ")
    assert lines[2].endswith(f"written to {base_dir / 'model'}.")
    assert json.loads((base_dir / "model" / "metrics.json").read_text())["dataset"] == "flickr8k"


def test_the_default_output_is_named_after_the_model(base_dir):
    train(**OPTIONS, data_root=write_colours(base_dir / "colours"))
    output = base_dir / "runs" / "flickr8k-efficientnet_lite2-every-step" / "checkpoint"
    config = json.loads((output / "config.json").read_text())
    assert config["encoder"]["name"] == "efficientnet_lite2"
    assert config["decoder"]["injection"] == "every-step"


def test_the_default_output_of_further_training_is_named_after_the_model_too(
    base_dir, tiny_checkpoint
):
    model = load_captioner(tiny_checkpoint)
    train(init_from=tiny_checkpoint, epochs=1, data_root=write_colours(base_dir / "colours"))
    name = f"flickr8k-{model.encoder.name}-{model.decoder.config.injection}-further"
    assert (base_dir / "runs" / name / "checkpoint" / "config.json").is_file()


def test_options_reach_the_training(base_dir):
    write_colours(base_dir / "data" / "flickr8k")
    options = {"seed": 7, "batch_size": 5, "learning_rate": 0.002, "grid_size": 3}
    train(**OPTIONS, **options, output=base_dir / "model")
    recipe = json.loads((base_dir / "model" / "metrics.json").read_text())["training"][0]
    assert (recipe["seed"], recipe["batch_size"], recipe["learning_rate"]) == (7, 5, 0.002)
    assert json.loads((base_dir / "model" / "config.json").read_text())["encoder"]["grid_size"] == 3


def test_without_data_it_says_what_to_get_and_exits_with_2(base_dir):
    with pytest.raises(CommandError) as caught:
        train()
    assert caught.value.returncode == 2
    message = str(caught.value)
    assert str(base_dir / "data" / "flickr8k") in message
    assert "Flickr8k_text.zip" in message
    assert "Flickr8k_Dataset.zip" in message


def test_missing_encoder_weights_are_refused_in_a_sentence(base_dir):
    write_colours(base_dir / "data" / "flickr8k")
    with pytest.raises(CommandError, match=r"nowhere\.pth cannot be read") as caught:
        train(encoder_weights=base_dir / "nowhere.pth")
    assert isinstance(caught.value.__cause__, EncoderError)
    assert caught.value.returncode == 1


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--epochs=0", "epochs must be at least 1, not 0"),
        ("--batch-size=0", "batch_size must be at least 1, not 0"),
        ("--grid-size=0", "grid_size must be at least 1, not 0"),
        ("--learning-rate=inf", "learning_rate must be a finite number, not inf"),
        ("--dropout=nan", "dropout must be a finite number, not nan"),
        ("--encoder=x", "invalid choice: 'x'"),
        ("--injection=x", "invalid choice: 'x'"),
        ("--schedule=x", "invalid choice: 'x'"),
    ],
)
def test_an_option_out_of_range_is_refused(base_dir, option, message):
    write_colours(base_dir / "data" / "flickr8k")
    with pytest.raises(CommandError, match=message):
        call_command("train_captioner", "--encoder=efficientnet_lite2", option)
    assert not (base_dir / "runs").exists()


@pytest.fixture
def _interruptible():
    """Processes inherit an ignored SIGINT, which a shell gives to what runs in the background."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("_interruptible")
def test_stopped_with_ctrl_c_it_keeps_the_best_checkpoint_so_far(base_dir):
    output = base_dir / "model"
    command = [
        *(sys.executable, "manage.py", "train_captioner", "--encoder", "efficientnet_lite2"),
        *("--data-root", write_colours(base_dir / "colours"), "--output", output),
        *("--epochs", "100000", "--patience", "100000", "--run", base_dir / "run"),
    ]
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert first.startswith("epoch 1 ")
    assert process.returncode == 130
    assert re.search(
        r"Stopped\. Best epoch \d+, .*; written to .* Continue with --resume\.", errors
    )
    assert "Traceback" not in errors
    assert (output / "config.json").is_file()
    assert (base_dir / "run" / "report.html").is_file()


@pytest.mark.usefixtures("_interruptible")
def test_stopped_with_ctrl_c_before_the_first_epoch_it_advises_to_start_again(base_dir):
    command = [
        *(sys.executable, "manage.py", "train_captioner", "--encoder", "efficientnet_lite2"),
        *("--data-root", write_colours(base_dir / "colours"), "--run", base_dir / "run"),
    ]
    with subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (base_dir / "run" / "config.json").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped. No epoch was finished. Start again with the same command." in errors


@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_two_trainings_in_one_folder_are_refused_in_a_sentence(base_dir, more):
    run = base_dir / "run"
    root = write_colours(base_dir / "colours")
    command = [
        *(sys.executable, "manage.py", "train_captioner", "--encoder", "efficientnet_lite2"),
        *("--data-root", root, "--run", run, "--epochs", "100000", "--patience", "100000"),
    ]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        second = subprocess.run(
            [*command, *more], cwd=PROJECT, capture_output=True, text=True, check=False
        )
        process.kill()
    assert second.returncode == 1
    assert f"Another training is running in {run}. Wait until it has ended" in second.stderr
    assert "Traceback" not in second.stderr
    # The lock ended with the process that was killed.
    options = {"encoder": "efficientnet_lite2", "data_root": root, "run": run, "epochs": 100000}
    with pytest.raises(CommandError, match="There is already a run in"):
        train(**options)


def test_a_damaged_state_is_refused_in_a_sentence(base_dir):
    options = OPTIONS | {"data_root": write_colours(base_dir / "colours"), "run": base_dir / "run"}
    train(**options)
    state = base_dir / "run" / "state.pt"
    state.write_bytes(state.read_bytes()[:-1000])
    with pytest.raises(CommandError, match=f"^{state} cannot be read: .* start a new run"):
        train(**options, resume=True)


def test_a_full_disk_is_reported_in_a_sentence_that_names_the_checkpoint(base_dir):
    root = write_colours(base_dir / "colours")
    limited = (
        "import resource, runpy, sys; sys.argv[0] = 'manage.py'; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY)); "
        "runpy.run_path('manage.py', run_name='__main__')"
    )
    train(**OPTIONS, data_root=root, run=base_dir / "first")  # fills the feature cache
    done = subprocess.run(
        [
            *(sys.executable, "-c", limited, "train_captioner", "--encoder", "efficientnet_lite2"),
            *("--data-root", root, "--run", base_dir / "run", "--epochs", "1"),
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"can be written to {base_dir}/run/checkpoint: File too large." in done.stderr
    assert "Traceback" not in done.stderr
    assert not (base_dir / "run" / "checkpoint").exists()


def test_a_run_that_cannot_be_written_is_reported_in_a_sentence(base_dir):
    (base_dir / "file").write_text("")
    root = write_colours(base_dir / "colours")
    with pytest.raises(CommandError, match=r"Reading or writing a file failed: .*Not a directory"):
        train(**OPTIONS, data_root=root, run=base_dir / "file" / "run", output=base_dir / "model")


def losses(run):
    with (run / "log.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def sample_captions(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    return re.findall(r'<li value="(\d+)"><(?:span|strong)>(.*?)</', page)


def test_a_killed_run_resumes_as_if_it_had_never_stopped(base_dir):
    data = write_colours(base_dir / "colours")

    def command(run, *more):
        return [
            *(sys.executable, "manage.py", "train_captioner", "--encoder", "efficientnet_lite2"),
            *("--data-root", data, "--run", run, "--epochs", "4", "--patience", "9"),
            *("--self-critical-epochs", "2", "--batch-size", "4", "--hidden-size", "32", *more),
        ]

    killed, whole = base_dir / "killed", base_dir / "whole"
    with subprocess.Popen(command(killed), cwd=PROJECT, stdout=subprocess.PIPE) as process:
        for _ in range(2):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    subprocess.run(command(killed, "--resume"), cwd=PROJECT, check=True, capture_output=True)
    subprocess.run(command(whole), cwd=PROJECT, check=True, capture_output=True)
    assert len(losses(whole)) == 6
    assert losses(killed) == pytest.approx(losses(whole), abs=1e-6)
    assert sample_captions(killed) == sample_captions(whole)
    assert {epoch for epoch, _ in sample_captions(killed)} == set("123456")
    first, second = (
        load_file(run / "checkpoint" / "weights.safetensors") for run in (killed, whole)
    )
    assert all(torch.equal(first[name], second[name]) for name in second)


@pytest.mark.usefixtures("_interruptible")
def test_several_processes_print_once_stop_together_and_resume(base_dir):
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("--", "manage.py", "train_captioner", "--encoder", "efficientnet_lite2"),
        *("--data-root", write_colours(base_dir / "colours"), "--run", base_dir / "run"),
        *("--epochs", "100000", "--patience", "100000", "--hidden-size", "32"),
    ]

    def stopped_after_an_epoch(*more):
        """Numbers of the epochs that were printed, and what was said on stderr."""
        with subprocess.Popen(
            [*command, *more],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            first = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=120)
        return [int(line.split()[1]) for line in [first, *rest.splitlines()]], errors

    epochs, errors = stopped_after_an_epoch()
    assert epochs == list(range(1, len(epochs) + 1))
    assert errors.count("Stopped. Best epoch") == errors.count("Stopped.") == 1
    assert (base_dir / "run" / "checkpoint" / "config.json").is_file()
    done = len(losses(base_dir / "run"))
    further, _ = stopped_after_an_epoch("--resume")
    assert further[0] == done + 1


def write_table(root):
    """Two pictures to train on and one as dev, in the format captions-csv."""
    (root / "Images").mkdir(parents=True)
    lines = ["image,caption,split"]
    for name, split in (("pink", "train"), ("grey", "train"), ("brown", "dev")):
        Image.new("RGB", (50, 40), name).save(root / "Images" / f"{name}.png")
        lines += [f"{name}.png,A {name} square is here.,{split}"]
    (root / "captions.csv").write_text("\n".join(lines))
    return root


def test_several_data_sets_are_trained_on_at_once(base_dir):
    write_colours(base_dir / "data" / "flickr8k")
    table = write_table(base_dir / "table")
    arguments = ["--dataset", "flickr8k", "--dataset", "captions-csv", "--data-root", table]
    lines = train(*arguments, "--weight", "2", **OPTIONS).splitlines()
    assert re.match(
        r"epoch 1  loss \S+  flickr8k BLEU-4 \S+ CIDEr-D (\S+)  captions-csv BLEU-4 \S+ CIDEr-D \S+"
        r"  mean CIDEr-D \d\.\d+  \d+ s",
        lines[0],
    )
    run = base_dir / "runs" / "flickr8k+captions-csv-efficientnet_lite2-every-step"
    text = (run / "checkpoint" / "metrics.json").read_text()
    metrics = json.loads(text)
    assert metrics["dataset"] == "flickr8k and captions-csv"
    assert [own["images"] for own in metrics["dev"].values()] == [4, 1]
    [recipe] = metrics["training"]
    assert [each["dataset"] for each in recipe["datasets"]] == ["flickr8k", "captions-csv"]
    assert [each["weight"] for each in recipe["datasets"]] == [1.0, 2.0]
    assert str(base_dir) not in text
    card = (run / "checkpoint" / "README.md").read_text()
    assert "`captions-csv` (2 images, weight 2)" in card
    with (run / "log.csv").open() as file:
        row = next(csv.DictReader(file))
    mean = (float(row["flickr8k CIDEr-D"]) + float(row["captions-csv CIDEr-D"])) / 2
    assert float(row["CIDEr-D"]) == pytest.approx(mean)
    (table / "captions.csv").write_text((table / "captions.csv").read_text().replace("is", "was"))
    with pytest.raises(CommandError, match="was started with other captions, images or encoder"):
        train(*arguments, "--weight", "2", **OPTIONS, resume=True)
    with pytest.raises(CommandError, match=r"has datasets = 'flickr8k in .*; captions-csv in"):
        train(*arguments, "--weight", "3", **OPTIONS, resume=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--data-root x --dataset shapes", "--data-root stands before the first --dataset"),
        ("--weight 2 --dataset shapes", "--weight stands before the first --dataset"),
        ("--dataset shapes --weight 2 --weight 3", "The data set shapes has two of them"),
        ("--data-root x --data-root y", "The data set flickr8k has two of them"),
        ("--dataset shapes --weight 0", "weight must be above 0 and finite, not 0"),
        ("--dataset shapes --dataset shapes", "is given twice. Give it a weight of 2 instead"),
        ("--dataset sentences --data-root {sentences}", "sentences has no pictures"),
        (
            "--dataset shapes --dataset sentences --data-root {sentences}",
            "teach the injection attention nothing, .* choose semantic-attention",
        ),
    ],
)
def test_data_sets_that_make_no_sense_are_refused_in_a_sentence(base_dir, arguments, message):
    (base_dir / "sentences.tsv").write_text("coco\tA red bus is here.\n")
    with pytest.raises(CommandError, match=message):
        train(*arguments.format(sentences=base_dir).split())
    assert not (base_dir / "runs").exists()


def test_a_toml_file_gives_options_and_the_command_line_wins(base_dir):
    write_colours(base_dir / "data" / "flickr8k")
    config = base_dir / "recipe.toml"
    config.write_text('encoder = "efficientnet_lite2"\nepochs = 5\nhidden_size = 48\n')
    train(config=config, epochs=1, run=base_dir / "run")
    effective = json.loads((base_dir / "run" / "config.json").read_text())
    assert (effective["epochs"], effective["hidden_size"]) == (1, 48)
    assert effective["encoder"] == "efficientnet_lite2"


@pytest.mark.parametrize(
    ("text", "message"),
    [("epochs = ", "cannot be read as TOML"), ("colour = 1", "no option 'colour'")],
)
def test_a_wrong_toml_file_is_refused(base_dir, text, message):
    write_colours(base_dir / "data" / "flickr8k")
    (base_dir / "recipe.toml").write_text(text)
    with pytest.raises(CommandError, match=message):
        train(config=base_dir / "recipe.toml")
