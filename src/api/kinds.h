// The kinds, in one list, and the way from a document to a bound object.
//
// Everything that goes by kind goes by this list: reading files, the tables of the control loop, the schemas
// that `sluice schema` prints. A new kind is a struct in types.h, a declaration beside it, and a line here.
//
// Threads: pure functions and constants.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/core/types.h"
#include "api/envoy_gateway/types.h"
#include "api/gateway_api/types.h"
#include "api/inference/types.h"
#include "base/problem.h"
#include "tree/tree.h"

namespace sluice::schema {
struct Type;
}

namespace sluice::api {

// One alternative a kind, in the order of kinds().
using Object = std::variant<
    std::shared_ptr<const GatewayClass>, std::shared_ptr<const Gateway>, std::shared_ptr<const ListenerSet>,
    std::shared_ptr<const HTTPRoute>, std::shared_ptr<const GRPCRoute>, std::shared_ptr<const TLSRoute>,
    std::shared_ptr<const TCPRoute>, std::shared_ptr<const UDPRoute>, std::shared_ptr<const ReferenceGrant>,
    std::shared_ptr<const BackendTLSPolicy>, std::shared_ptr<const Backend>,
    std::shared_ptr<const EnvoyProxy>, std::shared_ptr<const EnvoyExtensionPolicy>,
    std::shared_ptr<const EnvoyPatchPolicy>, std::shared_ptr<const ExtendedRouteFilter>,
    std::shared_ptr<const Namespace>, std::shared_ptr<const Service>, std::shared_ptr<const EndpointSlice>,
    std::shared_ptr<const Secret>, std::shared_ptr<const ConfigMap>,
    std::shared_ptr<const ClusterTrustBundle>, std::shared_ptr<const ServiceImport>,
    std::shared_ptr<const Pod>, std::shared_ptr<const InferencePool>,
    std::shared_ptr<const InferenceObjective>, std::shared_ptr<const InferenceModelRewrite>,
    std::shared_ptr<const XBackend>, std::shared_ptr<const XBackendTrafficPolicy>>;

struct BoundObject {
  ObjectKey key;
  std::string api_version;  // as the user wrote it: statuses answer in the same
  Object object;
};

// What became of one document.
struct ReadObject {
  // The group, kind, namespace ("default" where a namespaced object names none) and name, as far as they
  // could be read; the name is empty where not even that is there. A misspelt kind is the one that was meant:
  // it is that object which has the problem.
  ObjectKey key;
  // Absent when the object has not the form of its kind, or when the kind is none of ours. It may be there
  // beside problems "value/…" of severity kError: translation has to expect such values.
  std::optional<BoundObject> bound;
  // Positions are of the Tree, file is empty.
  std::vector<Problem> problems;
};

enum class Trust {
  kCheck,         // text of a user's: check everything
  kCheckBriefly,  // the same, but of problems with the schema the first one only, in few words
  kFromServer,    // an API server has checked it: only bind
};

// Reads one object (not a List). A kind that we do not know gives the warning "support/unknown-kind" and
// nothing bound, but where it is nearly one of ours it is an error, "schema/kind"; a known kind in a version
// that we do not serve gives an error with the versions that we do.
ReadObject read_object(const Tree& document, Trust trust);

// The object as JSON, on one line: what is bound, with apiVersion and kind. read_object() of it with
// Trust::kFromServer gives an equal value, if read_object() made the object and it holds no .inf or .nan,
// which YAML has and JSON has not. The text of a Secret has its values.
std::string write_object(const Object& object);

// True where both are of one kind and have equal values.
bool equal(const Object& a, const Object& b);

// The declared kind that was meant by one that is none: nearly its name in nearly its group, or its name in a
// group where only a slip can have put it. Nothing where the kind is declared, or may be another's.
std::optional<GroupKind> meant_by(const GroupKind& written);

// The GroupKind of each bound type.
template <typename T>
const GroupKind& kind_of();

// The apiVersion in which we write objects of a declared kind: "gateway.networking.k8s.io/v1"; empty for
// others.
std::string api_version_of(const GroupKind& kind);

// True where objects of this kind live in namespaces. Unknown kinds count as namespaced.
bool is_namespaced(const GroupKind& kind);

// A declared kind.
struct KindInfo {
  std::string_view group;
  std::string_view kind;
  std::vector<std::string_view> versions;  // that upstream serves; we write the first
  bool is_namespaced;

  // "gateway.networking.k8s.io/v1".
  std::string api_version(std::string_view version) const;
};

// In the order of Object's alternatives.
const std::vector<KindInfo>& kinds();

// The schema of a kind of kinds() in one of its versions. Of those that share one it is the same object.
const schema::Type& type_of(const KindInfo& kind, std::string_view version);

}  // namespace sluice::api
