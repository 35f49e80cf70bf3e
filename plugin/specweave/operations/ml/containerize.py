"""`ml containerize`: the Dockerfile of a service, checked, and built where a builder is at hand."""

from pydantic import Field

from specweave.command import Annotations, Command, Context, IncrementName, Request, Result
from specweave.operations.artifact_patterns import IN_THE_IMAGE
from specweave.operations.file_changes import FileChange, described

_REGISTRY = r"(?:[a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?/)?"
_IMAGE_NAME = rf"^{_REGISTRY}[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}})?$"


class ContainerizeRequest(Request):
    """Whose service, on which Python, and whether to build it."""

    increment: IncrementName = None
    python_version: str | None = Field(
        None,
        pattern=r"^3\.[0-9]{1,2}$",
        description="Python of the base image, such as 3.12; by default the one chosen before, else the model's own.",
    )
    build: bool = Field(False, description="Build the image with docker, podman or buildah.")
    tag: str | None = Field(
        None,
        pattern=_IMAGE_NAME,
        max_length=255,
        description="Name of the image; by default service:version.",
    )
    dry_run: bool = Field(False, description="Show what would be made, write and build nothing.")
    lay_new: bool = Field(False, description="Lay a .new file beside each generated file that a person edited.")


class ContainerizeResult(Result):
    """The Dockerfile, what hadolint says of it, and the image.

    Attributes:
        findings: of hadolint; None where it is not installed or nothing was written.
        image: id of the built image, None where none was asked for or the build failed.
    """

    increment: str
    dockerfile: str
    python_version: str
    changes: list[FileChange]
    findings: list[str] | None = None
    tag: str
    builder: str | None = None
    image: str | None = None
    build_s: float | None = None
    log: str = ""
    report: str | None = None
    dry_run: bool = False
    revision: str

    def text(self) -> str:
        """The result in a few lines of markdown, ending with the next step."""
        verb = "Would generate" if self.dry_run else "Generated"
        lines = [f"{verb} `{self.dockerfile}` on Python {self.python_version}", ""]
        lines += described(self.changes)
        if self.findings is not None:
            lines.append("- hadolint: " + ("clean" if not self.findings else "; ".join(self.findings)))
        if self.image:
            lines.append(f"- built with {self.builder} in {self.build_s:.0f} s: `{self.tag}`, {self.image}")
        elif self.builder:
            lines += [f"- {self.builder} could not build it:", "", "```", "\n".join(self.log.splitlines()[-20:]), "```"]
        if self.report:
            lines.append(f"- report: {self.report}")
        number = self.increment[:4]
        if not self.passed:
            lines += ["", f"Next: mend what is named above, then `/ml:containerize {number} --build`."]
        elif self.image:
            lines += ["", f"Next: `{self.builder} run --read-only --publish 127.0.0.1:8000:8000 {self.tag}`."]
        else:
            lines += ["", f"Next: `/ml:containerize {number} --build` where docker, podman or buildah is at hand."]
        return "\n".join(lines)


def run(request: ContainerizeRequest, context: Context) -> ContainerizeResult:
    """Generate the Dockerfile, check it, build it if asked, and record the evidence.

    Raises:
        NotFoundError: `increment-not-found`, `deployment-missing`, `package-not-found`, `service-missing`.
        InvalidInputError: `python-version-invalid`.
        HostError: `builder-missing`; the Dockerfile is there then.
    """
    from specweave.operations import containerization  # noqa: PLC0415 - a listing must stay cheap

    return containerization.containerize(request, context)


COMMAND = Command(
    group="ml",
    name="containerize",
    request=ContainerizeRequest,
    result=ContainerizeResult,
    run=run,
    annotations=Annotations(idempotent=True, open_world=True),
    examples=("0043", "0043 --build --tag credit-model:0043-v1", "0043 --python-version 3.12"),
    long=True,
    artifacts=IN_THE_IMAGE,
)
