"""Kaplan-Meier against a table computed by hand."""

from scoring.statistics.survival import Survival, kaplan_meier, median_of


def test_by_hand() -> None:
    # 10 at the start: two pass at 1, one is left at 1, three pass at 2, four are left at 3.
    curve = kaplan_meier({1: 2, 2: 3}, {1: 1, 3: 4})
    assert [(point.time, point.at_risk, point.events, point.censored) for point in curve] == [
        (1, 10, 2, 1),
        (2, 7, 3, 0),
        (3, 4, 0, 4),
    ]
    assert [round(point.share, 6) for point in curve] == [0.8, 0.457143, 0.457143]
    assert median_of(curve) == 2


def test_nobody_and_nobody_through() -> None:
    assert kaplan_meier({}, {}) == []
    curve = kaplan_meier({}, {4: 2})
    assert curve == [Survival(4, 2, 0, 2, 1.0)]
    assert median_of(curve) is None
