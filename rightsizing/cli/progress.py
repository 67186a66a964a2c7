"""Progress bars of long work, on standard error, and only on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from rightsizing.cli.session import Session
from rightsizing.measure.progress import Progress, ProgressListener
from rightsizing.model.update import Step, StepOp
from rightsizing.stack.driver import StepListener


@contextmanager
def progress_bar(session: Session) -> Iterator[ProgressListener]:
    """A listener that draws a bar while the block runs; Ctrl-C in the block cancels the work."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bar(
        *columns, console=session.messages, transient=True, disable=not session.messages.is_terminal
    ) as bar:
        task = bar.add_task("starting", total=None)

        def listen(progress: Progress) -> None:
            bar.update(
                task,
                description=progress.message,
                completed=progress.done,
                total=progress.total or None,
            )

        yield listen


def step_lines(session: Session) -> StepListener:
    """Print one line a changed resource as its step finishes."""

    def listen(step: Step) -> None:
        if step.op not in (StepOp.SAME, StepOp.READ):
            session.remark(f"  {step.op.value:<8} {step.type} {step.name}")

    return listen
