#include "xds/filters/credential_injector.h"

#include "envoy/extensions/filters/http/credential_injector/v3/credential_injector.pb.h"
#include "envoy/extensions/filters/http/upstream_codec/v3/upstream_codec.pb.h"
#include "envoy/extensions/http/injected_credentials/generic/v3/generic.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

#include "xds/filters/extension.h"
#include "xds/tls.h"
#include "xds/wire.h"

namespace sluice::xds {
namespace {

namespace injector_v3 = envoy::extensions::filters::http::credential_injector::v3;

void render(const ir::CredentialInjector& from, injector_v3::CredentialInjector* to) {
  to->set_overwrite(from.overwrite);
  envoy::extensions::http::injected_credentials::generic::v3::Generic generic;
  generic.mutable_credential()->set_name(from.secret);
  fill_ads(kSecretTimeout, generic.mutable_credential()->mutable_sds_config());
  generic.set_header(from.header);
  to->mutable_credential()->set_name("envoy.http.injected_credentials.generic");
  pack(generic, to->mutable_credential()->mutable_typed_config());
}

}  // namespace

void add_credential_injectors(const ir::HttpChain& chain, HttpConnectionManager* to) {
  add_extensions(chain, to, render);
}

void add_upstream_credential(const ir::Extension& credential,
                             envoy::extensions::upstreams::http::v3::HttpProtocolOptions* to) {
  injector_v3::CredentialInjector config;
  render(std::get<ir::CredentialInjector>(credential.filter), &config);
  auto* injector = to->add_http_filters();
  injector->set_name(credential.name);
  pack(config, injector->mutable_typed_config());
  auto* codec = to->add_http_filters();
  codec->set_name("envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec");
  pack(envoy::extensions::filters::http::upstream_codec::v3::UpstreamCodec(), codec->mutable_typed_config());
}

}  // namespace sluice::xds
