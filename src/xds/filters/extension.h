// What the filters of the users' own (ir/extension.h) have in common: each stands in the chain under its own
// name, switched off, and routes switch theirs on.
//
// Threads: pure functions.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "google/protobuf/message.h"

#include "xds/filters/order.h"

namespace sluice::xds {

// Adds the filter to the chain, switched off.
void add_extension(const std::string& name, const google::protobuf::Message& config,
                   HttpConnectionManager* to);

// Adds all of one kind. `render(const T&, Message*)` makes a filter's configuration.
template <typename T, typename Message>
void add_extensions(const ir::HttpChain& chain, HttpConnectionManager* to,
                    void (*render)(const T&, Message*)) {
  for (const ir::ExtensionPtr& extension : chain.extensions) {
    const T* filter = std::get_if<T>(&extension->filter);
    if (filter == nullptr) continue;
    Message config;
    render(*filter, &config);
    add_extension(extension->name, config, to);
  }
}

// Switches on those of the route, of all kinds.
void append_extensions(std::string_view host, const ir::Route& route, std::string& out);

}  // namespace sluice::xds
