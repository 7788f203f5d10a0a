"""How long what is kept: the setting `Retention`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from plugin.setting_model import SettingModel

DAY_S = 86_400.0
LONGEST_PAUSE_S = 3600.0
SHORTEST_PAUSE_S = 1.0

Days = Annotated[float, Field(gt=0, le=36_500)]


class RetentionLimits(SettingModel):
    """Days; what is not named is kept for ever."""

    shadow_days: Days | None = None
    """Results of shadow rules, after their job ended."""
    held_days: Days | None = None
    """What is left of held results that a person has decided on; undecided ones stay for ever."""
    quarantine_days: Days | None = None
    """Instances that broke a rule, with their report."""
    result_days: Days | None = None
    """Result series in Orthanc, after every destination has confirmed them; those without one stay."""
    report_days: Days | None = None
    """The pages with pictures on how the gate came to its verdict."""
    job_days: Days | None = None
    """Jobs with their deliveries, after they ended."""
    explanation_days: Days | None = None
    """Why series were, or were not, processed."""
    traffic_days: Days | None = None
    """What rules saw of complete series: the reach of replay."""

    @property
    def pause_s(self) -> float | None:
        """Between two cleanings: short against the shortest limit; None where everything is kept."""
        limits = [days for days in self.model_dump().values() if days is not None]
        if not limits:
            return None
        return float(min(max(min(limits) * DAY_S / 4, SHORTEST_PAUSE_S), LONGEST_PAUSE_S))
