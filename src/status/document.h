// Statuses as documents: what Kubernetes would show under `status`, in the layout of the specification.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/object_key.h"
#include "base/problem.h"
#include "translate/rows.h"

namespace sluice::status {

// {apiVersion, kind, namespace, name, status: {…}}. A condition carries observedGeneration where the object
// has a generation; times are left to who writes the status.
nlohmann::json document(const ObjectKey& object, const translate::ObjectStatus& status,
                        const std::string& controller_name);

// {code, severity, file, line, column, object, path, message, suggestion, also}. All members are always
// there: unknown texts are empty, unknown numbers 0, `object` is null or {group, kind, namespace, name}.
// `also` is a list of {file, line, column, object, path, message}.
nlohmann::ordered_json problem(const Problem& problem);

// A JSON value as YAML, block style, keys in the order of the value.
std::string to_yaml(const nlohmann::json& value);

}  // namespace sluice::status
