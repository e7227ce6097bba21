"""Every committed notebook reads well without a kernel, and does not change without a reason."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode, v4

from tools import execute_notebooks
from tools.execute_notebooks import FOLDER, METADATA, execute, normalise, problems

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_committed(path: Path):
    nbformat.validate(nbformat.read(path, as_version=nbformat.NO_CONVERT))
    notebook = nbformat.read(path, as_version=4)
    assert problems(notebook, path.parent) == [], "`make notebooks` runs and cleans it"


def written(*sources: str) -> NotebookNode:
    """A notebook as an editor leaves it: a title, and one cell that prints for each source."""
    cells = [v4.new_markdown_cell("# Title")]
    for number, source in enumerate(sources, start=1):
        output = v4.new_output("stream", name="stdout", text="fine\n")
        cells.append(v4.new_code_cell(source, execution_count=number, outputs=[output]))
    return v4.new_notebook(cells=cells)


@pytest.fixture
def good() -> NotebookNode:
    notebook = written("print('fine')", "print('fine')")
    normalise(notebook)
    return notebook


class TestProblems:
    def test_none(self, good: NotebookNode, tmp_path: Path):
        assert problems(good, tmp_path) == []

    def one(self, notebook: NotebookNode, folder: Path) -> str:
        (found,) = problems(notebook, folder)
        return found

    def test_out_of_order(self, good: NotebookNode, tmp_path: Path):
        good.cells[2].execution_count = 3
        assert "[1, 3]" in self.one(good, tmp_path)

    def test_never_run(self, good: NotebookNode, tmp_path: Path):
        good.cells[1].execution_count = None
        assert "[None, 2]" in self.one(good, tmp_path)

    def test_error(self, good: NotebookNode, tmp_path: Path):
        good.cells[1].outputs = [
            v4.new_output("error", ename="ValueError", evalue="no", traceback=[])
        ]
        assert self.one(good, tmp_path) == "cell 1 holds an error: ValueError: no"

    def test_warning(self, good: NotebookNode, tmp_path: Path):
        good.cells[1].outputs = [v4.new_output("stream", name="stderr", text="RuntimeWarning\n")]
        assert "RuntimeWarning" in self.one(good, tmp_path)

    def test_widget(self, good: NotebookNode, tmp_path: Path):
        view = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
        good.cells[1].outputs = [v4.new_output("display_data", data=view)]
        assert "holds a widget" in self.one(good, tmp_path)

    def test_widget_state(self, good: NotebookNode, tmp_path: Path):
        good.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {}}
        assert "metadata" in self.one(good, tmp_path)

    def test_another_kernel(self, good: NotebookNode, tmp_path: Path):
        good.metadata.kernelspec.name = "my-venv"
        assert "metadata" in self.one(good, tmp_path)

    def test_memory_address(self, good: NotebookNode, tmp_path: Path):
        data = {"text/plain": "<Figure at 0x7f0a1c2b3d40>"}
        good.cells[1].outputs = [v4.new_output("display_data", data=data)]
        assert "memory address" in self.one(good, tmp_path)

    def test_time_of_execution(self, good: NotebookNode, tmp_path: Path):
        good.cells[1].metadata["execution"] = {"iopub.status.busy": "now"}
        assert "execution" in self.one(good, tmp_path)

    def test_random_id(self, good: NotebookNode, tmp_path: Path):
        good.cells[1].id = "f00dbeef"
        assert "ids" in self.one(good, tmp_path)

    @pytest.mark.parametrize("extra", ["# Another", "Another\n=======", "<h1>Another</h1>"])
    def test_two_titles(self, good: NotebookNode, tmp_path: Path, extra: str):
        good.cells.append(v4.new_markdown_cell(extra))
        normalise(good)
        assert "2 headings" in self.one(good, tmp_path)

    def test_no_title(self, good: NotebookNode, tmp_path: Path):
        good.cells[0].source = "## Only a section\n\n```python\n# a comment, no title\n```"
        normalise(good)
        assert "0 headings" in self.one(good, tmp_path)

    @pytest.mark.parametrize(
        "link",
        [
            "[next](01_next.ipynb)",
            "![a drawing](pictures/a.png)",
            "[part](01_next.ipynb#part 'title')",
            '<img alt="a" src="pictures/a.png">',
        ],
    )
    def test_broken_link(self, good: NotebookNode, tmp_path: Path, link: str):
        good.cells[0].source = f"# Title\n\n{link}"
        normalise(good)
        assert "leads nowhere" in self.one(good, tmp_path)
        (tmp_path / "pictures").mkdir()
        (tmp_path / "pictures" / "a.png").touch()
        (tmp_path / "01_next.ipynb").touch()
        assert problems(good, tmp_path) == []

    @pytest.mark.parametrize(
        "link",
        ["[p](https://arxiv.org/abs/1608.05343)", "[s](#section)", "[m](mailto:a@example.org)"],
    )
    def test_other_links_are_left_alone(self, good: NotebookNode, tmp_path: Path, link: str):
        good.cells[0].source = f"# Title\n\n{link}"
        normalise(good)
        assert problems(good, tmp_path) == []

    @pytest.mark.parametrize("folder", ["home", "Users", "root", "tmp"])
    def test_local_path_in_an_output(self, good: NotebookNode, tmp_path: Path, folder: str):
        good.cells[1].outputs[0].text = f"saved in /{folder}/somebody/dnilab\n"
        assert "path of the machine" in self.one(good, tmp_path)

    def test_local_path_in_a_source(self, good: NotebookNode, tmp_path: Path):
        good.cells[1].source = r"open('C:\Users\somebody')"
        normalise(good)
        assert "path of the machine" in self.one(good, tmp_path)

    def test_our_own_folder_anywhere(self, good: NotebookNode, tmp_path: Path):
        good.cells[1].outputs[0].text = f"see {execute_notebooks.ROOT}\n"
        assert "path of the machine" in self.one(good, tmp_path)

    def test_formulas_and_addresses_are_no_paths(self, good: NotebookNode, tmp_path: Path):
        good.cells[
            0
        ].source = r"# Title $f:\mathbb{R} \to \mathbb{R}$, https://example.org/home/page, h/tmp/x"
        normalise(good)
        assert problems(good, tmp_path) == []


class TestNormalise:
    def test_ids_follow_the_text_alone(self):
        first, second = written("a", "b"), written("new", "a", "b")
        normalise(first)
        normalise(second)
        assert [c.id for c in second.cells[2:]] == [c.id for c in first.cells[1:]]

    def test_ids_differ_where_the_text_does_not(self):
        notebook = written("same", "same")
        normalise(notebook)
        assert len({cell.id for cell in notebook.cells}) == 3
        nbformat.validate(notebook)

    def test_keeps_what_a_reader_sees(self):
        notebook = written("a")
        notebook.cells[1].metadata = nbformat.from_dict(
            {"tags": ["solution"], "jupyter": {"source_hidden": True}, "scrolled": True}
        )
        normalise(notebook)
        assert notebook.cells[1].metadata == {
            "tags": ["solution"],
            "jupyter": {"source_hidden": True},
        }
        assert notebook.metadata == METADATA


class TestExecute:
    """The real thing, on notebooks of its own."""

    def make(self, folder: Path, *sources: str) -> Path:
        path = folder / "lesson.ipynb"
        nbformat.write(written(*sources), path)
        return path

    def test_writes_the_same_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("DNILAB_STATIC", "1")
        source = "import os, sys\nprint('static', os.environ['DNILAB_STATIC'], flush=True)\n'last'"
        path = self.make(tmp_path, source)
        assert execute(path) == []
        once = path.read_bytes()
        notebook = nbformat.read(path, as_version=4)
        assert notebook.cells[1].outputs[0].text == "static 1\n"
        assert notebook.cells[1].outputs[1].data["text/plain"] == "'last'"
        assert execute(path) == []
        assert path.read_bytes() == once

    def test_main_asks_panels_for_a_static_figure(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ):
        for name in execute_notebooks.ENVIRONMENT:
            monkeypatch.setenv(name, "")  # so that it is put back afterwards
        path = self.make(tmp_path, "import os\nassert os.environ['DNILAB_STATIC'] == '1'")
        assert execute_notebooks.main([str(path)]) == 0
        assert capsys.readouterr().out == "lesson.ipynb: written\n"

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("1 / 0", "ZeroDivisionError"),
            ("import warnings\nwarnings.warn('careful')", "careful"),
            ("import ipywidgets\nipywidgets.IntSlider()", "holds a widget"),
        ],
    )
    def test_refuses(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, said: str
    ):
        path = self.make(tmp_path, source)
        before = path.read_bytes()
        found = execute(path)
        assert said in "\n".join(found)
        assert path.read_bytes() == before
