#!/usr/bin/env python3
"""Generates C++ for the protobuf schema that an Envoy binary embeds.

Every linked .proto is in the binary as a serialized FileDescriptorProto, so what is read here is
exactly the schema of that data plane.

usage: generate.py ENVOY ROOTS OUT

ROOTS lists .proto files (patterns allowed); they are generated with all they import. Left in OUT:

  descriptors.binpb  a FileDescriptorSet of all the binary has, in dependency order
  include/           the generated headers
  source/            the generated sources, as unit_N.cc of about equal size, and grpc.cc: the stubs,
                     which alone need gRPC

Files that would not change are not touched.

Differences from the original .proto files, none visible on the wire or in JSON:

  * google/protobuf/* are protoc's own, since generated code must match the installed runtime;
  * fields named like a C++20 keyword get a trailing underscore and keep their JSON name;
  * the generated code (not descriptors.binpb) is without custom options such as validation rules:
    their headers would be included by every other one.
"""

import filecmp
import fnmatch
import mmap
import os
import re
import shutil
import subprocess
import sys
import tempfile

# Keywords that protoc 3.21 does not know to avoid.
RENAMED = {b"requires": b"requires_"}
# The services that get gRPC stubs.
GRPC = ["envoy/service/discovery/v3/ads.proto"]
# Compilation units: 12 are about 24 files each, and even work for 2, 3, 4 or 6 cores.
UNITS = 12
# The statics that protoc gives the same name in every file.
LOCAL_NAMES = re.compile(r"\b(file_default_instances|schemas)\b")
# Imported for custom options only.
ANNOTATIONS = re.compile(rb"(validate|envoy/annotations|udpa/annotations|xds/annotations)/|google/api/annotations")

# The part of descriptor.proto that is looked into: for a message type, its fields that hold
# messages. "Options" is any of the *Options.
NESTED = {
    "File": {4: "Message", 5: "Enum", 6: "Service", 7: "Field", 8: "Options"},
    "Message": {2: "Field", 3: "Message", 4: "Enum", 6: "Field", 7: "Options", 8: "Oneof"},
    "Field": {8: "Options"},
    "Oneof": {2: "Options"},
    "Enum": {2: "EnumValue", 3: "Options"},
    "EnumValue": {3: "Options"},
    "Service": {2: "Method", 3: "Options"},
    "Method": {4: "Options"},
    "Options": {},
}
FILE_DEPENDENCY, FILE_PUBLIC_DEPENDENCY = 3, 10
FILE_SINGULAR = {1, 2, 8, 9, 12, 14}
FILE_LENGTH_DELIMITED = {1, 2, 3, 4, 5, 6, 7, 8, 9, 12}
FILE_VARINT = {10, 11, 14}
FIELD_NAME, FIELD_JSON_NAME = 1, 10
FIRST_EXTENSION = 1000


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("varint too long")


def encode_varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode(number, value):
    return encode_varint(number << 3 | 2) + encode_varint(len(value)) + value


def fields(data):
    """Splits a message into (number, value, the field's bytes)."""
    at = 0
    while at < len(data):
        start = at
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 2:
            size, at = varint(data, at)
            value = data[at : at + size]
            at += size
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            value = data[at : at + size]
            at += size
        else:
            raise ValueError(f"wire type {wire}")
        if number == 0 or at > len(data):
            raise ValueError("not a message")
        yield number, value, data[start:at]


def embedded_file(data, start):
    """The FileDescriptorProto that begins at `start`, or None. Its length is stored nowhere, but
    fields are written in the order of their numbers: it ends where that is broken."""
    at, last = start, 0
    try:
        while True:
            tag, value_at = varint(data, at)
            number, wire = tag >> 3, tag & 7
            if number < last or (number == last and number in FILE_SINGULAR):
                break
            if wire == 2 and number in FILE_LENGTH_DELIMITED:
                size, value_at = varint(data, value_at)
                end = value_at + size
                if end > len(data):
                    break
                if number in NESTED["File"]:
                    for _ in fields(data[value_at:end]):
                        pass
            elif wire == 0 and number in FILE_VARINT:
                _, end = varint(data, value_at)
            else:
                break
            at, last = end, number
    except (ValueError, IndexError):
        pass
    return data[start:at] if last > 1 else None


def scan(binary):
    found = {}
    for match in re.finditer(rb"\x0a([\x07-\x7f])([A-Za-z0-9_./-]+?\.proto)(?=[\x12\x1a\x22\x2a])", binary):
        name = match.group(2)
        if len(name) != match.group(1)[0]:
            continue
        file = embedded_file(binary, match.start())
        if file is not None and len(file) > len(found.get(name, b"")):
            found[name] = file
    return found


def json_name(name):
    words = name.split(b"_")
    return words[0] + b"".join(word[:1].upper() + word[1:] for word in words[1:])


def renamed(message, kind="File"):
    """The descriptor with the fields of RENAMED renamed."""
    out = b""
    for number, value, raw in fields(message):
        nested = NESTED[kind].get(number)
        if kind == "Field" and number == FIELD_NAME and value in RENAMED:
            raw = encode(number, RENAMED[value]) + encode(FIELD_JSON_NAME, json_name(value))
        elif nested and any(name in value for name in RENAMED):
            raw = encode(number, renamed(value, nested))
        out += raw
    return out


def without_custom_options(message, kind="File"):
    out = b""
    for number, value, raw in fields(message):
        nested = NESTED[kind].get(number)
        if nested:
            raw = encode(number, without_custom_options(value, nested))
        elif kind == "Options" and number >= FIRST_EXTENSION:
            continue
        elif kind == "File" and number == FILE_DEPENDENCY and ANNOTATIONS.match(value):
            continue
        elif kind == "File" and number == FILE_PUBLIC_DEPENDENCY:
            raise SystemExit("public imports are indexes, which dropping an import would shift")
        out += raw
    return out


def dependencies(file):
    return [value for number, value, _ in fields(file) if number == FILE_DEPENDENCY]


def in_order(files, roots):
    """The roots and all they import, every file after its imports."""
    order, done = [], set()

    def visit(name, importer):
        if name in done:
            return
        if name not in files:
            raise SystemExit(f"{name.decode()}, imported by {importer.decode()}, is not in the binary")
        done.add(name)
        for dependency in dependencies(files[name]):
            visit(dependency, name)
        order.append(name)

    for name in sorted(roots):
        visit(name, b"")
    return order


def descriptor_set(files, order):
    return b"".join(encode(1, files[name]) for name in order)


def own_files():
    """google/protobuf/*.proto as the installed protoc describes them."""
    include = subprocess.run(
        ["pkg-config", "--variable=includedir", "protobuf"], check=True, capture_output=True, text=True
    ).stdout.strip()
    folder = os.path.join(include, "google", "protobuf")
    names = sorted("google/protobuf/" + n for n in os.listdir(folder) if n.endswith(".proto"))
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", "-I", include, "--descriptor_set_out=" + out.name, *names], check=True)
        files = [value for number, value, _ in fields(out.read()) if number == 1]
    return {next(fields(file))[1]: file for file in files}


def wanted(files, roots_file):
    names = [name.decode() for name in files]
    roots = set()
    with open(roots_file) as lines:
        for line in lines:
            pattern = line.split("#")[0].strip()
            matches = fnmatch.filter(names, pattern)
            if pattern and not matches:
                raise SystemExit(f"{roots_file}: {pattern} is not in the binary")
            roots.update(name.encode() for name in matches)
    return roots


def replace_tree(new, old, suffix):
    """Makes `old` hold the files of `new` that end in `suffix`; equal files keep their time."""
    kept = set()
    for folder, _, names in os.walk(new):
        for name in names:
            if not name.endswith(suffix):
                continue
            source = os.path.join(folder, name)
            path = os.path.relpath(source, new)
            target = os.path.join(old, path)
            kept.add(path)
            if not os.path.exists(target) or not filecmp.cmp(source, target, shallow=False):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.move(source, target)
    for folder, _, names in os.walk(old):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.relpath(path, old) not in kept:
                os.remove(path)


def write_units(code, out):
    """Joins the sources below `code` into units: most of the time of compiling one goes to headers,
    which a unit reads once. Neighbours share most headers, so units are runs of the sorted paths."""
    paths = sorted(os.path.join(f, n) for f, _, names in os.walk(code) for n in names if n.endswith(".pb.cc"))
    stubs = [path for path in paths if path.endswith(".grpc.pb.cc")]
    paths = [path for path in paths if path not in stubs]
    total = sum(os.path.getsize(path) for path in paths)
    units, done = [""] * UNITS, 0
    for number, path in enumerate(paths):
        with open(path) as source:
            text = source.read()
        units[done * UNITS // total] += LOCAL_NAMES.sub(rf"\g<0>_{number}", text)
        done += len(text)
    named = {f"unit_{number:02}.cc": text for number, text in enumerate(units)}
    named["grpc.cc"] = "".join(open(path).read() for path in stubs)
    os.mkdir(out)
    for name, text in named.items():
        with open(os.path.join(out, name), "w") as unit:
            unit.write(text)


def main():
    envoy, roots_file, out = sys.argv[1:]
    with open(envoy, "rb") as binary:
        with mmap.mmap(binary.fileno(), 0, access=mmap.ACCESS_READ) as data:
            files = {name: bytes(file) for name, file in scan(data).items()}
    own = own_files()
    files = {name: renamed(file) for name, file in files.items() if not name.startswith(b"google/protobuf/")}
    plain = {name: without_custom_options(file) for name, file in files.items()} | own
    files |= own
    everything = in_order(files, files)
    generated = in_order(plain, wanted(files, roots_file))
    names = [name.decode() for name in generated if name not in own]

    os.makedirs(out, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as work:
        with open(os.path.join(work, "plain.binpb"), "wb") as result:
            result.write(descriptor_set(plain, generated))
        with open(os.path.join(work, "descriptors.binpb"), "wb") as result:
            result.write(descriptor_set(files, everything))
        code = os.path.join(work, "code")
        os.mkdir(code)
        protoc = ["protoc", "--descriptor_set_in=" + result.name.replace("descriptors", "plain")]
        subprocess.run([*protoc, "--cpp_out=" + code, *names], check=True)
        plugin = shutil.which("grpc_cpp_plugin")
        subprocess.run([*protoc, "--plugin=protoc-gen-grpc=" + plugin, "--grpc_out=" + code, *GRPC], check=True)
        units = os.path.join(work, "units")
        write_units(code, units)
        replace_tree(code, os.path.join(out, "include"), ".h")
        replace_tree(units, os.path.join(out, "source"), ".cc")
        os.replace(result.name, os.path.join(out, "descriptors.binpb"))
    print(f"{len(everything)} protos in the binary, {len(names)} of them generated")


if __name__ == "__main__":
    main()
