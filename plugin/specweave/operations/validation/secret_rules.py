"""The rule that no document holds a secret, by the detectors of detect-secrets.

Its detectors of high entropy are left out: evidence is full of digests and commits. Only the text is looked at; the
library can also try a secret at its service, which is never done.
"""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from specweave.operations.validation.rule import Problem, Rule
from specweave.operations.validation.subject import Subject

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin

_DETECTORS = {
    "artifactory": "ArtifactoryDetector",
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "basic_auth": "BasicAuthDetector",
    "cloudant": "CloudantDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "ibm_cloud_iam": "IbmCloudIamDetector",
    "ibm_cos_hmac": "IbmCosHmacDetector",
    "jwt": "JwtTokenDetector",
    "keyword": "KeywordDetector",
    "mailchimp": "MailchimpDetector",
    "npm": "NpmDetector",
    "openai": "OpenAIDetector",
    "private_key": "PrivateKeyDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "softlayer": "SoftlayerDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "telegram_token": "TelegramBotTokenDetector",
    "twilio": "TwilioKeyDetector",
}
# Patterns of the library look ahead over the whole line: a longer one is looked at in overlapping pieces.
_PIECE, _OVERLAP = 2_000, 400
_ALLOWED = "pragma: allowlist secret"


def _secrets(subject: Subject) -> Iterator[Problem]:
    for name, content in subject.contents.items():
        for number, line in enumerate(content.decode("utf-8", "replace").split("\n"), 1):
            kind = _ALLOWED not in line and next(_kinds(line), None)
            if kind:
                yield Problem(f"this line seems to hold a secret ({kind})", name, number)


def _kinds(line: str) -> Iterator[str]:
    from detect_secrets.filters import heuristic  # noqa: PLC0415 - 0.2 s that only validation needs

    for start in range(0, max(1, len(line) - _OVERLAP), _PIECE - _OVERLAP):
        piece = line[start : start + _PIECE]
        if not piece.strip():
            continue
        for detector in _detectors():
            for secret in detector.analyze_string(piece):
                if not (
                    heuristic.is_templated_secret(secret)
                    or heuristic.is_prefixed_with_dollar_sign(secret)
                    or heuristic.is_sequential_string(secret)
                    or heuristic.is_potential_uuid(secret)
                    or heuristic.is_not_alphanumeric_string(secret)
                    or heuristic.is_likely_id_string(secret, piece, detector)
                    or heuristic.is_indirect_reference(piece)
                ):
                    yield detector.secret_type


@cache
def _detectors() -> "tuple[BasePlugin, ...]":
    found = []
    for module, name in _DETECTORS.items():
        detector: type[BasePlugin] = getattr(import_module(f"detect_secrets.plugins.{module}"), name)
        found.append(detector())
    return tuple(found)


RULES = (
    Rule(
        "secret-in-document",
        "error",
        "A document seems to hold a secret",
        "Documents go to git, to reviewers and to assistants. Keys of known services, passwords in addresses, private "
        f"keys and quoted values of words such as password count. A line with `{_ALLOWED}` is passed over.",
        "take it out, and have it replaced where it is valid; name an environment variable instead",
        _secrets,
    ),
)
