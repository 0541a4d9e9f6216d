"""The settings of a workload or fault of another package, whose class a file's key names."""

import json
from dataclasses import is_dataclass
from typing import Any

from pydantic import GetJsonSchemaHandler, PydanticUserError, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from harness.common.harness_errors import ScenarioError
from harness.common.settings.registry import Registry
from harness.common.settings.setting_types import SETTINGS


class SettingsOf:
    """A pydantic type: the entry of a registry, imported when there are settings to check."""

    def __init__(self, registry: Registry[Any], name: str) -> None:
        self._registry, self._name = registry, name

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        """Check with a function, so that the class is not imported before."""
        return core_schema.no_info_plain_validator_function(self._checked)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of the class; of one that cannot be imported, that it is an object."""
        try:
            return handler(self._adapter().core_schema)
        except ValueError:
            return {"type": "object"}

    def _checked(self, settings: Any) -> Any:
        # As JSON, since strict validation takes a mapping for a dataclass only from there.
        return self._adapter().validate_json(json.dumps(settings))

    def _adapter(self) -> TypeAdapter[Any]:
        """Return what checks the settings.

        Raises:
            ValueError: the class cannot be imported, or its fields are no settings.
        """
        try:
            found = self._registry[self._name]
            if not is_dataclass(found):
                raise ValueError(f"expected a dataclass, got {found!r}")
            found.__pydantic_config__ = SETTINGS  # type: ignore[attr-defined]
            return TypeAdapter(found)
        except ScenarioError as error:
            raise ValueError(str(error)) from error
        except (PydanticUserError, NameError) as error:
            kind = f"{self._registry.kind} {self._name!r} of {self._registry.origin(self._name)}"
            raise ValueError(f"{kind}: expected fields with types of YAML, got {error}") from error
