"""What `ml containerize` does: generate, check, build, record."""

from specweave.arguments import slash_line
from specweave.artifacts import container, service
from specweave.command import Context
from specweave.files.quoting import code_span
from specweave.files.quoting import markdown as quoted
from specweave.increments import content, deployment, evidence, store
from specweave.increments.store import Increment
from specweave.model_packages import store as package_store
from specweave.model_packages.store import Package
from specweave.operations import image_building
from specweave.operations.file_changes import file_changes
from specweave.operations.image_building import Build
from specweave.operations.ml.containerize import COMMAND, ContainerizeRequest, ContainerizeResult


def containerize(request: ContainerizeRequest, context: Context) -> ContainerizeResult:
    """Generate the Dockerfile of a deployment increment; check, build and record as the request says."""
    started = context.host.now()
    increment = store.find(context.project, request.increment, kind="deployment")
    settings = deployment.read(increment.folder)
    package = package_store.open_package(context.project, settings.model.name, settings.model.version)
    plan = container.generate(increment, package, settings, python_version=request.python_version)
    result = ContainerizeResult(
        increment=increment.id,
        dockerfile=context.project.relative(increment.folder / container.DOCKERFILE),
        python_version=container.base_version(increment, package, request.python_version),
        changes=file_changes(plan.changes),
        tag=request.tag or container.image_tag(package, settings),
        dry_run=request.dry_run,
        revision=store.revision(increment),
    )
    if request.dry_run:
        return result
    evidence.require_recordable(increment)
    head = evidence.stand(increment)
    plan.apply(lay_new=request.lay_new)
    about = content.of_line(increment, slash_line(COMMAND, request))
    _carry_out(increment, request, result, context)
    report = evidence.record(
        context,
        increment,
        operation="containerize",
        command=slash_line(COMMAND, request),
        passed=result.passed,
        started=started,
        markdown=_markdown(result, package),
        data=_data(result),
        package=evidence.PackageReference(name=package.name, version=package.version, digest=package.identity),
        attachments={".log": result.log.encode()} if result.log else {},
        head=head,
        content=about,
    )
    result.report = context.project.relative(report.path)
    result.revision = store.revision(increment)
    return result


def _carry_out(
    increment: Increment, request: ContainerizeRequest, result: ContainerizeResult, context: Context
) -> None:
    dockerfile = increment.folder / container.DOCKERFILE
    result.findings = image_building.lint(context.host, dockerfile)
    if request.build:
        service.require(increment)
        builder = image_building.find_builder(context.host)
        build = image_building.build(
            context, builder, dockerfile=dockerfile, folder=context.project.state, tag=result.tag
        )
        _add_build(result, build)
    result.passed = not result.findings and (result.image is not None or not request.build)


def _add_build(result: ContainerizeResult, build: Build) -> None:
    result.builder, result.image, result.log, result.build_s = build.builder, build.image, build.log, build.seconds


def _markdown(result: ContainerizeResult, package: Package) -> str:
    lint = "not installed" if result.findings is None else quoted("; ".join(result.findings)) or "clean"
    lines = [
        f"- Dockerfile: {code_span(result.dockerfile)}, Python {result.python_version}",
        f"- model: {package.manifest.name} {package.manifest.version}, `{package.identity}`",
        f"- hadolint: {lint}",
    ]
    if result.builder:
        image = f"{code_span(result.tag)}, {code_span(result.image)}"
        outcome = image if result.image else "failed, see the log beside this report"
        lines.append(f"- built with {result.builder} in {result.build_s:.1f} s: {outcome}")
    else:
        lines.append("- not built in this run")
    return "\n".join(lines) + "\n"


def _data(result: ContainerizeResult) -> dict[str, object]:
    fields = {"dockerfile", "python_version", "findings", "tag", "builder", "image", "build_s"}
    return result.model_dump(mode="json", include=fields)
