// Projections of objects: what others read of one, so that the rest of it may change freely.
#pragma once

#include <string>

#include "control/tables/inputs.h"
#include "translate/settings.h"

namespace sluice::control::tables {

struct Projections {
  Projections(Graph& graph, const translate::Settings& settings, const Inputs& in,
              const translate::Projections& projections);

  const Table<NamespacedName, api::StringMap>& namespace_labels;
  const Index<std::string, NamespacedName, api::ReferenceGrant>& grants_in;  // by their namespace
  const Table<NamespacedName, translate::PolicyProblems>& problems_of_grants;
  const Table<NamespacedName, translate::CertificateRow>& certificates;

  // Names, for suggestions.
  const Table<ObjectKey, translate::Named>& all_names;
  const Index<translate::NameGroup, ObjectKey, translate::Named>& names;

  const Index<std::string, NamespacedName, api::GatewayClass>& classes_of;  // by controller
  const Table<NamespacedName, translate::ClassRow>& classes;
};

}  // namespace sluice::control::tables
