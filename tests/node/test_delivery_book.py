"""Destinations as they are written, changed, shown and taken in from the file; hours; what returns."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.catalog import Catalog
from pipelines.errors import ConfigurationError
from plugin.configuration_file import Books
from plugin.database import database_url, open_engine, prepare_database
from plugin.delivery.deliveries import add_delivery, change_delivery
from plugin.delivery.destination import Destination
from plugin.delivery.destination_book import DestinationBook, WantedDestinations
from plugin.delivery.images import Image, plan_images
from plugin.delivery.plan import confirmed_before, kept_or_sent
from plugin.ledger import Job, Ledger
from plugin.rule_book import RuleBook
from plugin.settings import Settings, pipeline_folders, read_settings, settings_problems

PACS = {"Aet": "PACS", "Host": "10.0.0.5", "Port": 104}
CLOUD = {"Type": "dicomweb", "Url": "https://cloud/dicom-web", "User": "gate", "Password": "s3cret"}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    prepare_database(url := database_url("sqlite", tmp_path))
    return Ledger(open_engine(url))


@pytest.fixture
def book(ledger: Ledger) -> DestinationBook:
    return DestinationBook(ledger.engine)


def put(book: DestinationBook, written: dict[str, Any], **more: Any) -> list[str]:
    return [str(problem) for problem in book.change(WantedDestinations(written, "ada", **more))]


def one(**written: Any) -> Destination:
    return read_settings({"Destinations": {"X": {**PACS, **written}}}).destinations["X"]


# what is accepted


@pytest.mark.parametrize(
    ("written", "path", "words"),
    [
        ({"Type": "ftp"}, "X", "its Type is not known"),
        ({**PACS, "Url": "http://pacs"}, "X.Url", "unknown key"),
        ({"Type": "orthanc", "Url": "http://me:pw@pacs"}, "X.Url", "what is given is not accepted"),
        ({"Type": "orthanc", "Url": "http://pacs", "Tls": {}}, "X", "Tls needs a Url"),
        ({"Type": "orthanc", "Url": "http://pacs", "User": "me"}, "X", "User and Password go together"),
        ({**CLOUD, "Token": "t"}, "X", "Token and Password exclude each other"),
        ({**CLOUD, "Password": 17}, "X.Password", "what is given is not accepted"),
        ({**CLOUD, "Password": {"File": "../../etc/shadow"}}, "X.Password.File", "not accepted"),
        ({**CLOUD, "Password": {"Variable": "HOME"}}, "X.Password.Variable", "not accepted"),
        ({**PACS, "Schedule": {"From": "22:00", "To": "25:00"}}, "X.Schedule[0].To", "no time of day"),
        ({**PACS, "WhenStudyReturns": "SOMETIMES"}, "X.WhenStudyReturns", "not accepted"),
        ({**PACS, "Tls": {"Trusted": "x"}}, "X.Tls.Trusted", "unknown key"),
    ],
)
def test_what_is_wrong_is_named_with_its_path_and_no_secret(
    written: dict[str, Any], path: str, words: str
) -> None:
    problems = settings_problems({"Destinations": {"X": written}})
    named = {problem.path: problem.what for problem in problems}
    assert words in named[f"Orthogen.Destinations.{path}"], problems
    assert "s3cret" not in str(problems)
    assert "pw" not in str(problems)


def test_a_destination_without_a_type_is_a_dicom_one_and_all_kinds_are_read() -> None:
    kinds = {"A": PACS, "B": CLOUD, "C": {"Type": "orthanc", "Url": "http://peer:8042"}}
    found = read_settings({"Destinations": kinds}).destinations
    assert {name: each.type for name, each in found.items()} == {
        "A": "dicom",
        "B": "dicomweb",
        "C": "orthanc",
    }


# versions


def test_every_set_is_kept_with_its_author_and_a_bad_change_changes_nothing(book: DestinationBook) -> None:
    assert put(book, {"PACS": PACS}, comment="first") == []
    assert put(book, {"PACS": {**PACS, "Port": 0}}) != []
    assert put(book, {"PACS": PACS}) == [], "the same again is no new version"
    assert put(book, {"PACS": PACS, "CLOUD": CLOUD}, based_on=1) == []
    with pytest.raises(ConfigurationError, match="based on version 1, but version 2 of ada"):
        put(book, {}, based_on=1)
    assert [(each.number, each.author, each.comment) for each in book.history()] == [
        (2, "ada", ""),
        (1, "ada", "first"),
    ]
    assert book.version(1).written == {"PACS": PACS}
    with pytest.raises(ConfigurationError, match="no version 3"):
        book.version(3)


def test_another_process_sees_a_change_at_its_next_look(ledger: Ledger, book: DestinationBook) -> None:
    other = DestinationBook(ledger.engine)
    assert other.destinations() == {}
    put(book, {"PACS": PACS})
    assert set(other.destinations()) == {"PACS"}


# secrets


def test_a_secret_is_never_shown_and_kept_when_it_is_sent_back_hidden(book: DestinationBook) -> None:
    put(book, {"CLOUD": CLOUD})
    shown = [each.as_json() for each in book.history()]
    assert "s3cret" not in json.dumps(shown)
    sent_back = {**shown[0]["destinations"]["CLOUD"], "TimeoutSeconds": 60}
    assert put(book, {"CLOUD": sent_back}) == []
    assert book.in_force().written["CLOUD"] == {**CLOUD, "TimeoutSeconds": 60}


@pytest.mark.parametrize("moved", [{"Url": "https://evil/dicom-web"}, {"User": "eve"}, {"Type": "orthanc"}])
def test_a_hidden_secret_goes_to_no_other_address(book: DestinationBook, moved: dict[str, str]) -> None:
    put(book, {"CLOUD": CLOUD})
    with pytest.raises(ConfigurationError, match="has changed") as refused:
        put(book, {"CLOUD": {**CLOUD, "Password": "(hidden)", **moved}})
    assert "s3cret" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="Destinations\\.NEW\\.Password"):
        put(book, {"CLOUD": CLOUD, "NEW": {**CLOUD, "Password": "(hidden)"}})


def test_a_file_or_variable_that_holds_a_secret_is_shown_as_it_is(book: DestinationBook) -> None:
    put(book, {"CLOUD": {**CLOUD, "Password": {"File": "pacs"}}})
    assert book.in_force().as_json()["destinations"]["CLOUD"]["Password"] == {"File": "pacs"}


# the configuration file


def rule(*send_to: str) -> dict[str, Any]:
    return {
        "Name": "r",
        "When": {"Modality": {"Equals": "CT"}},
        "Pipeline": "ct-denoise",
        "SendTo": list(send_to),
    }


@pytest.fixture
def books(ledger: Ledger, book: DestinationBook) -> Books:
    catalog = Catalog.load(pipeline_folders(Settings()))
    return Books(RuleBook(ledger.engine, catalog, book), book)


def send_to(books: Books) -> list[tuple[str, ...]]:
    return [each.send_to for each in books.rules.rules()]


def test_the_file_adds_a_destination_before_and_takes_one_after_the_rule_that_names_it(books: Books) -> None:
    books.take_in({"Destinations": {"OLD": PACS}, "Rules": [rule("OLD")]}, "orthanc.json")
    assert (set(books.destinations.destinations()), send_to(books)) == ({"OLD"}, [("OLD",)])
    books.take_in({"Destinations": {"NEW": PACS}, "Rules": [rule("NEW")]}, "orthanc.json")
    assert (set(books.destinations.destinations()), send_to(books)) == ({"NEW"}, [("NEW",)])


def test_a_restart_does_not_undo_what_the_interface_changed(books: Books) -> None:
    section = {"Destinations": {"PACS": PACS}, "Rules": []}
    books.take_in(section, "orthanc.json")
    put(books.destinations, {"PACS": PACS, "CLOUD": CLOUD})
    books.take_in(section, "at start")
    assert set(books.destinations.destinations()) == {"PACS", "CLOUD"}
    books.take_in({**section, "Destinations": {"PACS": {**PACS, "Port": 11112}}}, "orthanc.json")
    assert set(books.destinations.destinations()) == {"PACS"}, "the file was changed after that"


def test_a_destination_that_a_rule_in_force_needs_stays_and_the_log_says_so(
    books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    books.take_in({"Destinations": {"PACS": PACS}, "Rules": [rule("PACS")]}, "orthanc.json")
    with caplog.at_level(logging.WARNING):
        books.take_in({"Destinations": {}, "Rules": [rule("PACS")]}, "orthanc.json")
    assert set(books.destinations.destinations()) == {"PACS"}
    assert "a rule in force sends to PACS: it stays" in caplog.text


def test_bad_destinations_in_the_file_change_nothing(books: Books) -> None:
    books.take_in({"Destinations": {"PACS": PACS}, "Rules": []}, "orthanc.json")
    books.take_in({"Destinations": {"PACS": {**PACS, "Port": -1}}, "Rules": [rule("PACS")]}, "orthanc.json")
    assert books.destinations.in_force().written == {"PACS": PACS}
    assert books.rules.rules() == ()


# hours

NOON = datetime(2026, 11, 25, 12, 0)  # a Wednesday


@pytest.mark.parametrize(
    ("schedule", "opens"),
    [
        ([], NOON),
        ({"From": "22:00", "To": "06:00"}, datetime(2026, 11, 25, 22, 0)),
        ({"From": "11:00", "To": "13:00"}, NOON),
        ({"From": "06:00", "To": "07:00", "Days": ["Sat"]}, datetime(2026, 11, 28, 6, 0)),
        (
            [{"From": "22:00", "To": "06:00"}, {"From": "12:30", "To": "13:00"}],
            datetime(2026, 11, 25, 12, 30),
        ),
    ],
)
def test_a_destination_opens_at_the_first_of_its_windows(schedule: Any, opens: datetime) -> None:
    assert one(Schedule=schedule).opens(NOON) == opens


# a study that returns


def image(uid: str, digest: str | None) -> Image:
    return Image(uid, "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", "id", md5=digest)


@pytest.mark.parametrize(
    ("policy", "sent"),
    [
        ("ALWAYS", ["new", "same", "changed", "unknown"]),
        ("REPLACE", ["new", "changed", "unknown"]),
        ("NEVER", ["new"]),
    ],
)
def test_what_a_destination_gets_when_a_study_returns(policy: str, sent: list[str]) -> None:
    before = {"same": "1", "changed": "1", "unknown": None}
    now = [image("new", "1"), image("same", "1"), image("changed", "2"), image("unknown", None)]
    fates = [kept_or_sent(each, before, one(WhenStudyReturns=policy)) for each in now]
    assert [each.sop_instance_uid for each in fates if each.state == "pending"] == sent
    assert {each.state for each in fates} <= {"pending", "kept"}


def a_job(ledger: Ledger, job_id: str, source: str = "1.2.3") -> Job:
    words: dict[str, Any] = dict.fromkeys(("rule", "pipeline", "pipeline_version", "study_instance_uid"), "x")
    job = Job(
        id=job_id,
        key=job_id,
        state="delivering",
        mode="live",
        on_hold="keep",
        priority="routine",
        send_to=("X",),
        source_series_uid=source,
        series_orthanc_id="s",
        instances=(),
        **words,
    )
    with ledger.transaction() as connection:
        ledger.add(connection, job)
    return job


def delivered(ledger: Ledger, job: Job, digest: str, *states: str) -> None:
    with ledger.transaction() as connection:
        delivery = add_delivery(connection, job.id, "X")
        images = [
            Image(str(place), "c", "t", "id", state=state, md5=digest) for place, state in enumerate(states)
        ]
        plan_images(connection, delivery, images)
        change_delivery(connection, delivery, state="delivered")


@pytest.mark.parametrize(("commitment", "known"), [(False, ["0", "1"]), (True, ["1"])])
def test_only_what_the_destination_confirmed_for_the_same_source_counts_and_the_latest_of_it(
    ledger: Ledger, commitment: bool, known: list[str]
) -> None:
    delivered(ledger, a_job(ledger, "first"), "old", "stored", "committed", "refused", "pending")
    delivered(ledger, a_job(ledger, "second"), "new", "stored", "committed", "refused", "pending")
    delivered(ledger, a_job(ledger, "of another source", "9.9"), "?", *["committed"] * 9)
    now = a_job(ledger, "now")
    with ledger.transaction() as connection:
        mine = add_delivery(connection, now.id, "X")
        found = confirmed_before(connection, mine, now, one(StorageCommitment=commitment))
    assert found == dict.fromkeys(known, "new")
