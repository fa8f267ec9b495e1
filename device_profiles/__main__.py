"""``hallfleet profiles``: what profiles there are, what they say, and whether a site's own are sound."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from device_profiles.catalog import SCHEMAS, Catalog, find_problems, load_catalog
from device_profiles.errors import ProfileError, nearest
from device_profiles.scaffold import new_model, new_protocol


def main(argv: list[str]) -> int:
    """Run one verb; 0 when all is well, 1 when a check failed. Raises ProfileError."""
    options = _parser().parse_args(argv)
    result: int = options.run(options)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hallfleet profiles", description="profiles of peripherals, machines, halls")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument("--folder", type=Path, help=f"a site's own folder, with {', '.join(SCHEMAS)} in it")

    list_ = verbs.add_parser("list", parents=[own], help="every profile, one a line")
    list_.add_argument("--json", action="store_true", help="as JSON")
    list_.set_defaults(run=_list)

    show = verbs.add_parser("show", parents=[own], help="one profile with all defaults, as JSON")
    show.add_argument("id", help="its id; KIND/ID when two kinds share the id")
    show.set_defaults(run=_show)

    check = verbs.add_parser("check", help="every problem of the packaged profiles and of a site's folder")
    check.add_argument("path", nargs="?", type=Path, help=f"folder with {', '.join(SCHEMAS)} in it")
    check.set_defaults(run=_check)

    new = verbs.add_parser("new", help="the files of a new peripheral, in a checkout")
    new.add_argument("id", help="id of the profile, such as acme-t58")
    new.add_argument("--name", default="", help="the model in words (default: the id)")
    new.add_argument("--root", type=Path, default=Path(), help="root of the checkout (default: here)")
    kind = new.add_mutually_exclusive_group(required=True)
    kind.add_argument("--like", metavar="ID", help="a model that speaks the same protocol: profile and test")
    kind.add_argument("--protocol", metavar="NAME", help="a new protocol: all its files, to be changed step by step")
    new.add_argument("--capability", default="", help="with --protocol: what the device can do, such as printer")
    new.set_defaults(run=_new)

    schema = verbs.add_parser("schema", help="the keys of the profile files")
    schema.add_argument("--json", action="store_true", help="as JSON Schema")
    schema.set_defaults(run=_schema)
    return parser


def _list(options: argparse.Namespace) -> int:
    rows = [_row(kind, profile) for kind, profile in _all(load_catalog(options.folder))]
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return 0
    for row in rows:
        print(f"{row['kind']:<12} {row['id']:<22} {row['what']:<20} {row['name']}")
    return 0


def _row(kind: str, profile: BaseModel) -> dict[str, str]:
    content = profile.model_dump(mode="json")
    what = content.get("capability") or content.get("kind") or f"{len(content['counters'])} counters"
    name = content.get("name") or f"{content['name_en']} ({content['name_zh']})"
    return {"kind": kind, "id": content["id"], "what": what, "name": name}


def _show(options: argparse.Namespace) -> int:
    profiles = _all(load_catalog(options.folder))
    names = {f"{kind}/{_id(profile)}": profile for kind, profile in profiles}
    found = [name for name in names if options.id in (name, name.partition("/")[2])]
    if not found:
        ids = {_id(profile) for _, profile in profiles}
        raise ProfileError(f"profile {options.id!r} is not known; {nearest(options.id, ids)}")
    if len(found) > 1:
        raise ProfileError(f"profile {options.id!r}: expected one, got {', '.join(found)}; give kind and id")
    print(json.dumps(names[found[0]].model_dump(mode="json"), ensure_ascii=False, indent=2))
    return 0


def _check(options: argparse.Namespace) -> int:
    problems = find_problems(options.path)
    for problem in problems:
        print(problem)
    if problems:
        print(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}", file=sys.stderr)
        return 1
    print(f"{len(_all(load_catalog(options.path)))} profiles, no problem")
    return 0


def _new(options: argparse.Namespace) -> int:
    name = options.name or options.id
    catalog = load_catalog()
    if options.like:
        written = new_model(options.id, options.like, name, catalog, options.root)
    else:
        written = new_protocol(options.id, options.protocol, options.capability, name, catalog, options.root)
    for path in written:
        print(path)
    names = f"{options.id} or {(options.protocol or options.id).replace('-', '_')}"
    print(f"next: .venv/bin/python -m pytest tests/contracts tests/firmware_bridge -k '{names}'", file=sys.stderr)
    return 0


def _schema(options: argparse.Namespace) -> int:
    schemas = {kind: file_schema(model) for kind, model in SCHEMAS.items()}
    if options.json:
        print(json.dumps(schemas, ensure_ascii=False, indent=2))
        return 0
    for kind, schema in schemas.items():
        print(f"{kind}/*.toml")
        for key, part in schema["properties"].items():
            mark = "required" if key in schema["required"] else "optional"
            print(f"  {key:<12} {mark}  {_type(part, schema['$defs'])}")
    return 0


def file_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of one profile file; the id is the file's name, so it is no key of it."""
    schema = model.model_json_schema()
    del schema["properties"]["id"]
    schema["required"].remove("id")
    return schema


def _type(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    words = part.get("description", "")
    if "enum" in part:
        return f"one of {', '.join(part['enum'])}  {words}".rstrip()
    inner = part.get("items") or part.get("additionalProperties") or {}
    reference = (part if "$ref" in part else inner if isinstance(inner, dict) else {}).get("$ref", "")
    if reference:
        keys = definitions[reference.rpartition("/")[2]]["properties"]
        return f"{part.get('type', 'table')} of {', '.join(keys)}  {words}".rstrip()
    return f"{part.get('type', 'value')}  {words}".rstrip()


def _all(catalog: Catalog) -> list[tuple[str, BaseModel]]:
    return [(kind, profile) for kind in SCHEMAS for profile in getattr(catalog, kind).values()]


def _id(profile: BaseModel) -> str:
    identity: str = profile.model_dump()["id"]
    return identity


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
