#pragma once
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "ivr/engine.hpp"
#include "ivr/flow_route.hpp"
#include "ivr/ports.hpp"

// What 'ivr publish' has put into a server's database, in place of what the server was started with: at the
// start, and whenever that changes.
class PublishedRoutes {
 public:
  PublishedRoutes(std::string database, std::vector<ivr::Route> routes, ivr::FlowSite site,
                  ivr::FlowCheckOptions host, bool as_json);

  // `routes` with what is live. FailedPrecondition: one names a flow that was never published.
  absl::Status begin(std::vector<ivr::Route>& routes);
  // Gives the engine what has changed since; what cannot run is told, and all stays as it is.
  void look(ivr::Engine& engine);
  void tell() const;  // which versions are live
  // Before the engine stops: only the last one to close a database tidies it up, and this one cannot write.
  void end() { store_.reset(); }

 private:
  absl::Status read(std::vector<ivr::Route>& routes);

  std::string database_;
  std::vector<ivr::Route> own_;
  ivr::FlowSite site_;
  ivr::FlowCheckOptions host_;
  bool as_json_;
  std::unique_ptr<ivr::StorePort> store_;
  std::string mark_;     // of what runs, or of what could not
  std::string trouble_;  // as it was told last
};
