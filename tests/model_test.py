"""What a user writes: parts that hold only what they may, also when they are copied."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from holo_infra import Forward, Host, Unit


@pytest.mark.parametrize(
    ("part", "field"),
    [(Forward(port=1), "port"), (Unit(exec_start=["x"]), "exec_start"), (Host(), "address")],
)
def test_a_copy_takes_no_value_that_the_part_itself_would_not(part: BaseModel, field: str) -> None:
    assert part.model_copy() == part.model_copy(update={}) == part
    with pytest.raises(ValidationError, match=field):
        part.model_copy(update={field: 1.5})
