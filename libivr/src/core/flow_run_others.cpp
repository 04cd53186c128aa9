#include "core/flow_machine.hpp"

#include <algorithm>

#include "core/flow_agents.hpp"
#include "core/flow_api.hpp"

namespace ivr {

using namespace flow;

void FlowRun::Machine::send_digits() {
  const SendDigitsNode& s = body<SendDigitsNode>();
  scope_.clear();
  intent::SendDigits i;
  s.digits.render(scope_, Escape::none, i.digits);
  if (const auto bad = i.digits.find_first_not_of(kSentKeys); bad != std::string::npos)
    return fail("'" + (scope_.secret ? "***" : i.digits) + "' has a character that is no key and no pause");
  i.tone = s.tone;
  i.gap = s.gap;
  i.secret = scope_.secret;
  phase_ = Phase::act;
  want(std::move(i));
}

void FlowRun::Machine::enter_record() {
  const RecordNode& r = body<RecordNode>();
  intent::Record i;
  if (!r.say.empty() && !render(r.say, i.prompts)) return;
  i.beep = r.beep;
  i.max = r.max;
  i.silence = r.silence;
  i.finish_keys = r.finish_keys;
  i.record_digits = r.record_digits;
  i.name = r.name;
  phase_ = Phase::act;
  want(std::move(i));
}

void FlowRun::Machine::dial() {
  const TransferNode& t = body<TransferNode>();
  phase_ = Phase::act;
  if (!t.queue.empty()) {
    waiting_ = {};
    const absl::Status status = agents_intent(model_, t, scope_.language, scope_, waiting_);
    return status.ok() ? want(waiting_) : fail(std::string(status.message()));
  }
  auto dialled = dial_intent(model_, t, scope_.language, scope_);
  if (!dialled.ok()) return fail(std::string(dialled.status().message()));
  want(*std::move(dialled));
}

void FlowRun::Machine::enter_queue() {
  waiting_ = {};
  const absl::Status status = queue_intent(model_, body<QueueNode>(), scope_.language, scope_, waiting_);
  if (!status.ok()) return fail(std::string(status.message()));
  phase_ = Phase::act;
  want(waiting_);
}

void FlowRun::Machine::announce(const outcome::QueueNews& news) {
  waiting_.say.clear();
  if (const auto* q = std::get_if<QueueNode>(&node().body)) {
    scope_.news = news;
    waiting_.say = announcement(model_, *q, scope_.language, scope_, news);
  }
  want(waiting_);
}

void FlowRun::Machine::after_queue(const outcome::Queued& queued) {
  using End = outcome::QueueEnd;
  put(model_.names.find(kQueueResult), value_of(result_of(queued)), false);
  const auto* q = std::get_if<QueueNode>(&node().body);
  if (queued.end == End::transferred) {
    // The agent has sent the caller on; a failure brings him back to this node's exit.
    intent::Transfer on;
    on.uri = queued.target;
    on.record = waiting_.record;
    on.record_digits = waiting_.record_digits;
    on.max_talk = waiting_.max_talk;
    phase_ = Phase::refer;
    return want(std::move(on));
  }
  const bool served = queued.end == End::served;
  if (served || queued.end == End::key) fuel_ = options_.fuel;
  if (!q) {
    const auto end = served                 ? outcome::TransferEnd::completed
                     : queued.tried.empty() ? outcome::TransferEnd::busy
                                            : outcome::TransferEnd::no_answer;
    return after_transfer({.end = end, .talk = queued.talked, .recording = queued.recording});
  }
  const std::string waited = std::to_string(queued.waited.count()) + " ms";
  switch (queued.end) {
    case End::served:
      return leave(ExitId::next, queued.agent, "",
                   "{\"waited_ms\":" + std::to_string(queued.waited.count()) +
                       ",\"talk_ms\":" + std::to_string(queued.talked.count()) + "}");
    case End::timeout: return leave(ExitId::timeout, waiting_.queue, "nobody in time: waited " + waited);
    case End::full: return leave(ExitId::full, waiting_.queue, "the queue is full");
    case End::unavailable:
      return leave(ExitId::unavailable, waiting_.queue,
                   queued.tried.empty() ? "nobody can serve" : "nobody who was asked has served");
    case End::key: {
      const int key = key_index(queued.key);
      const int to = key < 0 ? kNowhere : q->keys[static_cast<std::size_t>(key)];
      if (to < 0) break;
      const std::string pressed(1, queued.key);
      return leave(pressed, to, pressed);
    }
    case End::transferred: break;
  }
  fail("a key that is no exit of this queue");
}

void FlowRun::Machine::call_back() {
  auto callback = callback_intent(body<CallbackNode>(), scope_, scope_.call.caller);
  if (!callback.ok()) return fail(std::string(callback.status().message()));
  phase_ = Phase::act;
  want(*std::move(callback));
}

void FlowRun::Machine::set_agent_status() {
  auto status = agent_status_intent(body<AgentStatusNode>(), scope_);
  if (!status.ok()) return fail(std::string(status.status().message()));
  phase_ = Phase::act;
  want(*std::move(status));
}

void FlowRun::Machine::after_agent_status(const outcome::AgentStatusSet& set) {
  put(model_.names.find(kAgentStatusResult), value_of(result_of(set)), false);
  if (set.ok) return leave(ExitId::next, set.agent);
  leave(ExitId::refused, set.agent, set.agent.empty() ? "no agent" : "the agent is logged out");
}

void FlowRun::Machine::fetch() {
  const ApiNode& a = body<ApiNode>();
  auto request = api_request(a, scope_);
  if (!request.ok()) return fail(std::string(request.status().message()));
  intent::Fetch f;
  f.request = *std::move(request);
  if (!scope_.over && !a.filler.empty() && !render(a.filler, f.filler)) return;
  f.filler_after = a.filler_after;
  ++attempt_;
  phase_ = Phase::act;
  want(std::move(f));
}

void FlowRun::Machine::fetched(const outcome::Fetched& outcome) {
  const ApiNode& a = body<ApiNode>();
  const HttpReply& reply = outcome.reply;
  const std::string input = reply.status ? std::to_string(reply.status) : "";
  const bool expected = expects(a, reply.status);
  const auto routed = std::ranges::find_if(a.on_status, [&](const auto& s) {
    return reply.status >= s.statuses.first && reply.status <= s.statuses.second;
  });
  const bool has_route = reply.status && routed != a.on_status.end();
  if (!expected && !has_route) {
    if (worth_another_try(reply) && attempt_ <= a.retries) {
      if (a.backoff == 0ms) return fetch();
      phase_ = Phase::pause;
      return want(intent::Wait{a.backoff * (1 << std::min(attempt_ - 1, 6))});
    }
    if (timed_out(reply)) return leave(ExitId::timeout, input, reply.error);
    return fail(reply.status          ? "status " + input + " was not expected"
                : reply.error.empty() ? "no reply"
                                      : reply.error,
                input);
  }
  const ApiReply api_reply(reply.body);
  if (a.into >= 0) put(a.into, api_reply.whole(), false, api_reply.hides_some(a));
  if (has_route && !expected) return leave(routed->exit, routed->target, input);
  for (const ApiNode::Mapping& m : a.map) {
    if (api_reply.hidden(m)) {
      put(m.into, std::string("***"), true, true);
      continue;
    }
    auto value = api_reply.take(m, scope_);
    if (!value.ok()) return fail(std::string(value.status().message()), input);
    put(m.into, *std::move(value), m.secret);
  }
  if (has_route) return leave(routed->exit, routed->target, input);
  leave(ExitId::next, input);
}

void FlowRun::Machine::after_record(const outcome::Recorded& r) {
  if (r.end == outcome::RecordEnd::failed) return fail(r.error.empty() ? "the recording failed" : r.error);
  if (r.end == outcome::RecordEnd::finish_key) fuel_ = options_.fuel;
  put(body<RecordNode>().into, r.file, false);
  leave(ExitId::next, r.key ? std::string(1, r.key) : "", "",
        "{\"file\":" + Json(r.file).dump(-1, ' ', false, Json::error_handler_t::replace) +
            ",\"ms\":" + std::to_string(r.length.count()) + "}");
}

void FlowRun::Machine::after_transfer(const outcome::Transferred& t) {
  using End = outcome::TransferEnd;
  put(model_.names.find(kTransferResult), value_of(result_of(t)), false);
  const std::string status = t.sip_status ? std::to_string(t.sip_status) : "";
  if (t.end == End::completed) {
    fuel_ = options_.fuel;
    return leave(ExitId::next, status, "", "{\"talk_ms\":" + std::to_string(t.talk.count()) + "}");
  }
  std::string why = t.end == End::failed ? "the transfer failed" : std::string(cause_of(t.end));
  std::replace(why.begin(), why.end(), '_', ' ');
  if (node().type == NodeType::queue) return leave(ExitId::transfer_failed, status, std::move(why));
  const ExitId exit = t.end == End::busy        ? ExitId::busy
                      : t.end == End::no_answer ? ExitId::no_answer
                      : t.end == End::rejected  ? ExitId::rejected
                                                : ExitId::failed;
  leave(exit, status, std::move(why));
}

}  // namespace ivr
