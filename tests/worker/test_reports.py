"""Reports that wait on disk."""

from pathlib import Path

import pytest

from debusine.domain.work_requests import Result
from debusine.protocol.resources import CompletionReport, OutputData, OutputError, RuntimeStatistics
from debusine.worker.reports import Reports

REPORT = CompletionReport(
    result=Result.ERROR,
    output_data=OutputData(
        runtime_statistics=RuntimeStatistics(duration=3), errors=[OutputError(message="m", code="timeout")]
    ),
)


@pytest.fixture
def reports(tmp_path: Path) -> Reports:
    reports = Reports(tmp_path / "reports")
    reports.prepare()
    return reports


def test_a_report_is_found_by_the_next_process_as_it_was(reports: Reports, tmp_path: Path) -> None:
    kept = reports.keep(7, 2, REPORT)
    assert list(Reports(tmp_path / "reports").waiting()) == [kept]


def test_a_report_without_an_attempt_is_kept_too(reports: Reports) -> None:
    reports.keep(7, None, REPORT)
    assert next(reports.waiting()).attempt is None


def test_a_forgotten_report_is_gone(reports: Reports) -> None:
    reports.forget(reports.keep(7, 2, REPORT))
    assert list(reports.waiting()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"work_request": 1, "attempt": 1, "report": {"result": ""}}'])
def test_a_report_that_cannot_be_read_is_dropped_and_told(
    reports: Reports, tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "reports/1-1.report").write_text(text)
    assert list(reports.waiting()) == []
    assert "1-1.report" in caplog.text
    assert list((tmp_path / "reports").iterdir()) == []
