#include "engine/recovery.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "core/registrar.hpp"
#include "engine/acd.hpp"
#include "ivr/number_masking.hpp"
#include "ivr/router_history.hpp"
#include "ivr/router_log.hpp"

namespace ivr {
namespace {

// The router's log, run again from its newest snapshot. A call back that was answered just before the end is
// not owed any more, though the log may not have heard of it: its record has. What the router wants because
// of that is void, as whatever was under way: it hears Restarted next, and begins anew what still has to be
// done.
absl::Status recover_router(StorePort& store, Time now, Recovered& found) {
  auto next = store.router_next();
  if (!next.ok()) return next.status();
  if (*next == 0) return absl::OkStatus();
  auto then = router_now(store);
  if (!then.ok()) return then.status();
  Router router = std::move(then->router);
  found.router_next = then->next;
  acd::Commands ignored;
  for (const Router::EntryView& entry : router.entries(now)) {
    if (!entry.callback || entry.attempt == 0) continue;
    const std::string call = Acd::callback_call(entry, entry.attempt);
    if (entry.call == call) continue;  // the router knows
    const auto record = store.call(call);
    if (!record.ok() || record->answered == Time{}) continue;
    const acd::CallbackDialled answered{entry.id, call, true};
    ignored.clear();
    router.step(answered, now, ignored);
    if (auto kept = store.append_router(router_step(found.router_next++, now, answered, ignored, {call}));
        !kept.ok())
      return kept;
  }
  found.router = std::move(router);
  return absl::OkStatus();
}

absl::Status recover_all(const EngineOptions& options, StorePort& store, const std::vector<OpenCall>& open,
                         Time now, Recovered& found) {
  for (const OpenCall& call : open) {
    CallRecord record = call.record;
    if (auto known = store.call(record.id); known.ok() && known->ended != Time{}) continue;
    record.status = "failed";
    record.cause = "system";
    record.ended = now;
    if (auto put = store.put_call(record); !put.ok()) return put;
    ++found.calls;
  }
  auto closed = store.close_open_calls(now);
  if (!closed.ok()) return closed.status();
  found.calls += *closed;
  for (const Route& route : options.routes) {
    if (route.flow_digest.empty()) continue;
    if (auto put = store.put_flow({route.flow, route.flow_digest, route.flow_document, now}); !put.ok())
      return put;
  }
  if (auto router = recover_router(store, now, found); !router.ok()) return router;
  auto masked = store.documents(kMaskingKind);
  if (!masked.ok()) return masked.status();
  found.masked = *std::move(masked);
  auto registered = store.documents(kRegistrationKind);
  if (!registered.ok()) return registered.status();
  for (const StoredDocument& each : *registered) {
    auto kept = registered_of(each);
    const bool known =
        std::ranges::find(options.sip.users, each.id, &SipUser::user) != options.sip.users.end();
    if (!kept.ok()) found.unreadable.push_back({each.kind, each.id, std::string(kept.status().message())});
    if (kept.ok() && known) {
      found.registered.push_back(*std::move(kept));
    } else if (auto removed = store.remove_document(each.kind, each.id); !removed.ok()) {
      return removed;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Recovered> recover(const EngineOptions& options, StorePort& store, CallJournal* journal,
                                  Time now) {
  if (auto begun = store.begin(); !begun.ok()) return begun;
  const std::vector<OpenCall> open = journal != nullptr ? journal->recover() : std::vector<OpenCall>{};
  Recovered found;
  absl::Status done = recover_all(options, store, open, now, found);
  if (done.ok()) done = store.commit();
  if (!done.ok()) {
    store.rollback();
    return done;
  }
  for (const OpenCall& call : open) journal->close(call.slot);
  return found;
}

}  // namespace ivr
