// Any bytes as a site document: reading never fails otherwise than with a reason, and a site that reads is
// one that a router takes, that can be stored, and whose flows are asked for by name.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ivr/router.hpp"
#include "ivr/site.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto site = ivr::parse_site(text);
  if (!site.ok()) {
    require(site.status().code() == absl::StatusCode::kInvalidArgument && !site.status().message().empty());
    return 0;
  }
  for (const ivr::QueueOptions& queue : site->queues) require(ivr::Router::check(queue).ok());
  for (const ivr::AgentOptions& agent : site->agents) require(ivr::Router::check(agent).ok());
  const ivr::CallRecord call{.caller = "+441234", .called = "2001"};
  for (const ivr::SiteAccess& right : site->access) (void)may_see(*site, right.user, call);
  constexpr std::string_view kFlow =
      R"({"ivr": 1, "id": "f", "start": "a", "nodes": {"a": {"type": "hangup"}}})";
  for (const ivr::SiteFlow& flow : std::vector<ivr::SiteFlow>(site->flows))
    require(add_flow(*site, flow.file, kFlow).ok());
  const auto documents = site_documents(text, *site);
  require(documents.ok() && !documents->empty());
  return 0;
}
