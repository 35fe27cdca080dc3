#include "lua/api.h"

#include "lua/kinds.h"

namespace sluice::lua {
namespace {

constexpr Method kFilterStateMethods[] = {{"get", "s?s", text(kExample)}, {"set", "sss", nothing()}};

// ---- connections and streams ---------------------------------------------------------------------

constexpr Method kParsedNameMethods[] = {{"commonName", "", text(kExample)},
                                         {"organizationName", "", list(kExample)}};
constexpr Kind kParsedName{"a parsed name", kParsedNameMethods};

constexpr Method kSslMethods[] = {{"ciphersuiteId", "", text("0x1301")},
                                  {"ciphersuiteString", "", text("TLS_AES_128_GCM_SHA256")},
                                  {"dnsSansLocalCertificate", "", list("www.example.com")},
                                  {"dnsSansPeerCertificate", "", list("client.example.com")},
                                  {"expirationPeerCertificate", "", number(4102444800)},
                                  {"issuerPeerCertificate", "", text("CN=example_value")},
                                  {"oidsLocalCertificate", "", list("1.2.840.113549")},
                                  {"oidsPeerCertificate", "", list("1.2.840.113549")},
                                  {"parsedSubjectPeerCertificate", "", object(kParsedName)},
                                  {"peerCertificatePresented", "", boolean(true)},
                                  {"peerCertificateValidated", "", boolean(true)},
                                  {"serialNumberPeerCertificate", "", text("7e632dc8")},
                                  {"serialNumberPeerCertificateIssuer", "", text("7e632dc8")},
                                  {"sessionId", "", text("7e632dc81323b591")},
                                  {"sha256PeerCertificateDigest", "", text("576d16d1e496aee5")},
                                  {"sha256PeerCertificateIssuerDigest", "", text("576d16d1e496aee5")},
                                  {"subjectLocalCertificate", "", text("CN=example_value")},
                                  {"subjectPeerCertificate", "", text("CN=example_value")},
                                  {"tlsVersion", "", text("TLSv1.3")},
                                  {"uriSanLocalCertificate", "", list("spiffe://example.com/local")},
                                  {"uriSanPeerCertificate", "", list("spiffe://example.com/peer")},
                                  {"urlEncodedPemEncodedPeerCertificate", "", text(kExample)},
                                  {"urlEncodedPemEncodedPeerCertificateChain", "", text(kExample)},
                                  {"validFromPeerCertificate", "", number(1577836800)}};

constexpr Method kConnectionMethods[] = {{"ssl", "", object(kSsl)}};

constexpr Method kStreamInfoMethods[] = {{"downstreamDirectLocalAddress", "", text("192.0.2.1:443")},
                                         {"downstreamDirectRemoteAddress", "", text("198.51.100.1:50000")},
                                         {"downstreamLocalAddress", "", text("192.0.2.1:443")},
                                         {"downstreamRemoteAddress", "", text("198.51.100.1:50000")},
                                         {"downstreamSslConnection", "", object(kSsl)},
                                         {"drainConnectionUponCompletion", "", nothing()},
                                         {"dynamicMetadata", "", object(kDynamicMetadata)},
                                         {"dynamicTypedMetadata", "s", by(get_typed_metadata)},
                                         {"filterState", "", object(kFilterState)},
                                         {"protocol", "", text("HTTP/1.1")},
                                         {"requestedServerName", "", text("www.example.com")},
                                         {"routeName", "", text(kExample)},
                                         {"virtualClusterName", "", text(kExample)}};

constexpr Method kConnectionStreamInfoMethods[] = {{"dynamicMetadata", "", object(kConnectionMetadata)},
                                                   {"dynamicTypedMetadata", "s", by(get_typed_metadata)}};

constexpr Method kVirtualHostMethods[] = {{"metadata", "", object(kMetadata)}};

// ---- statistics ----------------------------------------------------------------------------------

constexpr Method kCounterMethods[] = {
    {"add", "n", nothing()}, {"inc", "", nothing()}, {"value", "", number(1)}};
constexpr Kind kCounter{"a counter", kCounterMethods};
constexpr Method kGaugeMethods[] = {{"add", "n", nothing()}, {"dec", "", nothing()},
                                    {"inc", "", nothing()},  {"set", "n", nothing()},
                                    {"sub", "n", nothing()}, {"value", "", number(1)}};
constexpr Kind kGauge{"a gauge", kGaugeMethods};
constexpr Method kHistogramMethods[] = {{"recordValue", "n", nothing()}};
constexpr Kind kHistogram{"a histogram", kHistogramMethods};
constexpr Method kStatsMethods[] = {{"counter", "s", object(kCounter)},
                                    {"gauge", "s", object(kGauge)},
                                    {"histogram", "s?s", object(kHistogram)}};

constexpr Method kPublicKeyMethods[] = {{"get", "", text(kExample)}};

constexpr const Kind* kKinds[] = {&kRequestHandle,   &kResponseHandle,  &kRequestHeaders,
                                  &kResponseHeaders, &kTrailers,        &kBody,
                                  &kMetadata,        &kDynamicMetadata, &kConnectionMetadata,
                                  &kFilterState,     &kParsedName,      &kSsl,
                                  &kConnection,      &kStreamInfo,      &kConnectionStreamInfo,
                                  &kVirtualHost,     &kRoute,           &kCounter,
                                  &kGauge,           &kHistogram,       &kStats,
                                  &kPublicKey};

}  // namespace

constinit const Kind kFilterState{"a filter state object", kFilterStateMethods};
constinit const Kind kSsl{"an SSL connection object", kSslMethods};
constinit const Kind kConnection{"a connection object", kConnectionMethods};
constinit const Kind kStreamInfo{"a stream info object", kStreamInfoMethods};
constinit const Kind kConnectionStreamInfo{"a stream info object of a connection",
                                           kConnectionStreamInfoMethods};
constinit const Kind kVirtualHost{"a virtual host object", kVirtualHostMethods};
constinit const Kind kRoute{"a route object", kVirtualHostMethods};
constinit const Kind kStats{"a stats object", kStatsMethods};
constinit const Kind kPublicKey{"a public key", kPublicKeyMethods};

std::span<const Kind* const> envoy_kinds() { return kKinds; }

void open_api(lua_State* state) { open_resolutions(state); }

}  // namespace sluice::lua
