// The forms of names and values that the kinds share, as the upstream schemas spell them.
//
// Threads: constants.
#pragma once

#include "schema/type.h"

namespace sluice::api {

// RFC 1123 names.
inline constexpr schema::Pattern kLabelName{
    R"(^[a-z0-9]([-a-z0-9]*[a-z0-9])?$)",
    "a DNS label: lower-case letters, digits and `-`, a letter or digit at both ends"};
inline constexpr schema::Pattern kLabelNameOrNothing{R"(^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$)",
                                                     kLabelName.meaning};
inline constexpr schema::Pattern kSubdomain{
    R"(^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$)",
    "a DNS name: lower-case letters, digits, `-` and `.`, a letter or digit at both ends of each label"};
// The same, with the dot of the root allowed behind it.
inline constexpr schema::Pattern kAbsoluteSubdomain{
    R"(^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\.?$)",
    "a DNS name: lower-case letters, digits, `-` and `.`, a letter or digit at both ends of each label"};
inline constexpr schema::Pattern kWildcardSubdomain{
    R"(^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$)",
    "a DNS name, with or without a leading `*.`: lower-case letters, digits, `-` and `.`, a letter or digit "
    "at both "
    "ends of each label",
    "leave it out: every host is meant then"};
inline constexpr schema::Pattern kGroup{
    R"(^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$)",
    "an API group: a DNS name, or nothing for the core group"};
inline constexpr schema::Pattern kKind{R"(^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$)",
                                       "a kind: letters, digits and `-`, a letter at the front"};

inline constexpr schema::Pattern kWellKnownCertificates{
    R"(^(System|([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]))$)",
    "`System`, or a set of an implementation's as in `example.com/name`"};

// RFC 9110 fields.
inline constexpr schema::Pattern kHeaderName{R"(^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$)",
                                             "a header name: letters, digits and any of !#$%&'*+-.^_`|~"};
inline constexpr schema::Pattern kHeaderValue{
    R"(^[!-~]+([\t ]?[!-~]+)*$)",
    "a header value: visible ASCII characters, single spaces between them, on one line"};

// GEP-2257.
inline constexpr schema::Pattern kDuration{
    R"(^([0-9]{1,5}(h|m|s|ms)){1,4}$)",
    "a duration as in `500ms`, `10s` or `1h30m`: whole numbers with h, m, s or ms"};

// Amounts of resources.
inline constexpr schema::Pattern kQuantity{
    R"(^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$)",
    "a quantity as in `2`, `500m` or `1Gi`"};

// Metadata.
inline constexpr schema::Pattern kQualifiedName{
    R"(^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$)",
    "a name of at most 63 letters, digits, `-`, `_` and `.`, behind an optional DNS name and `/`"};
// Annotations may have upper-case letters in the DNS name, too.
inline constexpr schema::Pattern kAnnotationKey{
    R"(^([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$)",
    kQualifiedName.meaning};
inline constexpr schema::Pattern kLabelValue{
    R"(^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$)",
    "a label value: letters, digits, `-`, `_` and `.`, a letter or digit at both ends, or nothing"};

}  // namespace sluice::api
