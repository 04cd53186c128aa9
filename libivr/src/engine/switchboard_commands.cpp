#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "engine/active_call.hpp"
#include "engine/switchboard.hpp"

// What sessions and the router want done, carried out.

namespace ivr {
namespace {

// A call may stay unanswered on early media for so long: proxies give it three minutes (RFC 3261, 16.6).
constexpr Millis kEarlyMedia = 180s;
// ... and whom we call may ring for so long, unless somebody has less patience.
constexpr Millis kRinging = 180s;

}  // namespace

// ---------------------------------------------------------------------------------------- commands

void Switchboard::carry_out(ActiveCall& call, const Command& command) {
  std::visit([&](const auto& c) { carry_out(call, c); }, command);
}

void Switchboard::carry_out(ActiveCall& call, const command::Ring&) {
  call.limit = now() + kEarlyMedia;
  world_.sip.ring(call.legs[0].sip, 183, call.legs[0].answer);
}

void Switchboard::carry_out(ActiveCall& call, const command::Reject& reject) {
  world_.sip.reject(call.legs[0].sip, reject.status, reject.reason);
}

void Switchboard::begin_record(ActiveCall& call) {
  call.record.answered = now();
  // The journal first: whatever happens after the 200 has left, the next start knows of this call.
  if (world_.journal != nullptr) {
    if (auto slot = world_.journal->open(call.record); slot.ok()) call.journal = *slot;
    save(call);
  }
  ++counters_.answered;
}

void Switchboard::carry_out(ActiveCall& call, const command::Answer&) {
  begin_record(call);
  world_.sip.answer(call.legs[0].sip, std::move(call.legs[0].answer));
  tell(call, EngineEvent::CallAnswered{});
}

void Switchboard::carry_out(ActiveCall& call, const command::Dial& dial) {
  const auto number = static_cast<std::size_t>(dial.leg);
  if (call.legs.size() <= number) call.legs.resize(number + 1);
  if (dial.leg != 0 && adopt(call, dial.leg)) return;
  if (auto opened = open_stream(call, dial.leg); !opened.ok()) {
    return later(call, event::LegEnded{dial.leg, 503, std::string(opened.message()), false});
  }
  auto& leg = call.legs[number];
  sip::Invite invite;
  invite.uri = destination(dial.uri);
  invite.from_uri = identity(dial.caller_id);
  invite.sdp = leg.sdp->offer();
  invite.auth_user = options_.auth_user;
  invite.auth_password = options_.auth_password;
  if (!call.replaces.empty()) invite.headers.emplace_back("Replaces", std::exchange(call.replaces, {}));
  invite.headers.emplace_back("P-Early-Media", "supported");  // RFC 5009, 8
  leg.offered = true;
  if (dial.leg == 0) call.limit = now() + kRinging;
  leg.sip = world_.sip.invite(invite);
  legs_[leg.sip] = {call.key, dial.leg};
}

// An attended transfer to somebody whom another call of ours has dialled: he is not dialled again, his leg
// becomes this call's. False: none is to be adopted.
bool Switchboard::adopt(ActiveCall& call, LegNumber number) {
  if (call.adopts.empty()) {
    const auto& handed = call.legs[static_cast<std::size_t>(number)];
    if (std::exchange(call.holds, false)) later(call, event::LegAnswered{number});  // it has waited here
    return handed.sip != 0;
  }
  ActiveCall* const from = find_call(std::exchange(call.adopts, {}));
  const auto talking = [](const ActiveCall::Leg& leg) { return leg.sip != 0 && leg.up; };
  const auto theirs = from == nullptr ? std::vector<ActiveCall::Leg>::iterator{}
                                      : std::find_if(from->legs.begin() + 1, from->legs.end(), talking);
  if (from == nullptr || theirs == from->legs.end()) {  // he has hung up meanwhile
    tell_referrer(call, 480);
    later(call, event::LegEnded{number, 480, "the other call is over", true});
    acd_.transferring(call.record.id, 480);
    return true;
  }
  auto& leg = call.legs[static_cast<std::size_t>(number)] = std::exchange(*theirs, {});
  legs_[leg.sip] = streams_[leg.stream] = {call.key, number};
  tell_referrer(call, 200);
  later(call, event::LegAnswered{number});
  from->handed_on = true;
  later(*from, event::Stop{"transferred"});
  acd_.transferring(call.record.id, 200);
  return true;
}

void Switchboard::carry_out(ActiveCall& call, const command::Play& play) {
  PendingPlay what{play.play, play.loops, play.from};
  const bool is_music = play.prompts.size() == 1 && play.prompts[0].kind == Prompt::Kind::music;
  const MusicClass chosen = is_music ? music(call, play.prompts[0].value) : MusicClass{play.prompts};
  what.continuous = chosen.continuous;
  if (options_.narrate) tell(call, EngineEvent::Said{chosen.prompts});
  call.rendering.reset();
  auto clips = world_.prompts.request(chosen.prompts, call.legs[0].codec, call.key, play.play);
  if (clips) {
    prompt_ready(call, what, *std::move(clips));
  } else {
    call.rendering = what;
  }
  if (!play.then.empty()) world_.prompts.preload(play.then, call.legs[0].codec);
}

// The class of that name, or of the queue the call is in, or of all.
MusicClass Switchboard::music(const ActiveCall& call, std::string name) const {
  if (name.empty()) {
    const auto queue = std::ranges::find(options_.queues, call.record.queue, &QueueOptions::id);
    if (queue != options_.queues.end()) name = queue->music;
  }
  for (const std::string_view each : {std::string_view(name), std::string_view("default")}) {
    const auto found = options_.music.find(std::string(each));
    if (found != options_.music.end()) return found->second;
  }
  return {{Prompt{Prompt::Kind::tone, "hold", {}, {}, Millis{0}, false}}};
}

void Switchboard::prompt_ready(ActiveCall& call, const PendingPlay& play,
                               absl::StatusOr<std::vector<ClipPtr>> clips) {
  if (!clips.ok()) {
    later(call, event::PlayEnded{play.play, Millis{0}, false, std::string(clips.status().message())});
    return;
  }
  const Millis from =
      play.continuous ? std::chrono::duration_cast<Millis>(now().time_since_epoch()) : play.from;
  world_.media.play(call.legs[0].stream, play.play, *std::move(clips), play.loops, from);
}

void Switchboard::carry_out(ActiveCall& call, const command::StopPlay& stop) {
  if (call.rendering && call.rendering->play == stop.play) {
    call.rendering.reset();
    return later(call, event::PlayEnded{stop.play, Millis{0}, false, {}});
  }
  world_.media.stop_play(call.legs[0].stream, stop.play);
}

void Switchboard::carry_out(ActiveCall& call, const command::StartRecord& start) {
  const Time now = this->now();
  std::string path = options_.recordings + utc(now, "/%Y/%m/%d/") + call.record.id + "-" + start.name + "-" +
                     std::to_string(start.record) + ".wav";
  call.files[start.record] = path;
  world_.media.start_record(call.legs[0].stream, start.record,
                            {std::move(path), start.both_sides, start.max, start.silence, start.digits});
}

void Switchboard::carry_out(ActiveCall& call, const command::StopRecord& stop) {
  world_.media.stop_record(call.legs[0].stream, stop.record);
}

void Switchboard::carry_out(ActiveCall& call, const command::Fetch& fetch) {
  const RequestId request = next_request_++;
  requests_[request] = {call.key, fetch.request};
  world_.http.fetch(request, fetch.http,
                    [answers = http_answers_, sip = &world_.sip](RequestId id, HttpReply reply) {
                      // A full mailbox means that control is far behind: the session's own time-out then
                      // answers for this one.
                      answers->push({id, std::move(reply)});
                      sip->wake();
                    });
}

void Switchboard::carry_out(ActiveCall& call, const command::CancelFetch& cancel) {
  for (auto it = requests_.begin(); it != requests_.end(); ++it) {
    if (it->second != std::pair{call.key, cancel.request}) continue;
    world_.http.cancel(it->first);
    requests_.erase(it);
    return;
  }
}

void Switchboard::carry_out(ActiveCall& call, const command::SendDigits& send) {
  world_.media.send_digits(call.legs[0].stream, send.digits, send.tone, send.gap);
}

void Switchboard::carry_out(ActiveCall& call, const command::DetectVoice& detect) {
  world_.media.detect_voice(call.legs[0].stream, detect.on);
}

void Switchboard::carry_out(ActiveCall& call, const command::Connect& connect) {
  world_.media.bridge(call.legs[0].stream, call.legs[static_cast<std::size_t>(connect.leg)].stream);
  hush(call, false);
}

// Who may not be heard before the answer is muted: his keys are events all the same.
void Switchboard::hush(ActiveCall& call, bool on) {
  if (std::exchange(call.hushed, on) != on) world_.media.mute(call.legs[0].stream, on);
}

void Switchboard::carry_out(ActiveCall& call, const command::EarlyMedia& early) {
  const StreamId far = call.legs[static_cast<std::size_t>(early.leg)].stream;
  hush(call, early.direction == EarlyMedia::sendonly);
  if (early.direction == EarlyMedia::inactive) {
    world_.media.unbridge(call.legs[0].stream, far);
  } else {
    world_.media.bridge(call.legs[0].stream, far);
  }
}

void Switchboard::carry_out(ActiveCall& call, const command::Drop& drop) {
  const auto& leg = call.legs[static_cast<std::size_t>(drop.leg)];
  if (leg.sip != 0 && leg.sip == call.referrer) tell_referrer(call, 408);  // nobody has answered
  if (leg.sip != 0) world_.sip.hang_up(leg.sip, drop.reason);
}

// Without a router nobody waits for anybody.
void Switchboard::carry_out(ActiveCall& call, const command::JoinQueue& join) {
  intent::Queue want = join.want;
  want.priority += call.priority;
  acd_.join(call.record.id, call.record.caller, want);
}

void Switchboard::carry_out(ActiveCall& call, const command::LeaveQueue& leave) {
  using Why = acd::Leave::Why;
  acd_.leave(call.record.id, leave.key ? Why::key : leave.timeout ? Why::timeout : Why::moved, leave.digit);
}

void Switchboard::carry_out(ActiveCall& call, const command::RequestCallback& request) {
  acd_.request_callback(call.record.id, request.number);
}

void Switchboard::carry_out(ActiveCall& call, const command::Part&) { acd_.part(call.record.id); }

void Switchboard::carry_out(ActiveCall& call, const command::Serve&) {
  if (!call.takes_over.empty()) {
    const std::string old = std::exchange(call.takes_over, {});
    if (!acd_.join_partners(old, call.record.id))
      end(call.record.id, "nobody talks with the call it replaces");
    if (ActiveCall* const replaced = find_call(old)) replaced->handed_on = true;
    return end(old, "replaced");
  }
  acd_.serve(call.record.id, options_.sip.users.empty() ? call.record.caller : call.user);
}

void Switchboard::carry_out(ActiveCall& call, const command::Decline&) { acd_.decline(call.record.id); }

void Switchboard::carry_out(ActiveCall& call, const command::Refer& refer) {
  world_.sip.refer(call.legs[0].sip, destination(refer.uri));
}

void Switchboard::carry_out(ActiveCall& call, const command::AgentStatus& set) {
  const std::string agent = set.want.agent.empty() ? acd_.agent_of(call.user) : set.want.agent;
  const auto views = acd_.router().agents(now());
  const auto view = std::ranges::find(views, agent, &Router::AgentView::id);
  if (view == views.end()) return tell_session(call.record.id, event::AgentStatusSet{});
  std::optional<AgentState> state = set.want.state;
  if (!state && view->unavailable != Unavailable::offline) {  // who is logged out takes no break
    state = view->unavailable == Unavailable::paused ? AgentState::available : AgentState::on_break;
  }
  const bool ok =
      state && *state != AgentState::on_call && acd_.set_status(agent, *state, set.want.reason).ok();
  when_kept([this, id = call.record.id, set = event::AgentStatusSet{ok, agent, ok ? *state : view->state}] {
    tell_session(id, set);
  });
}

void Switchboard::carry_out(ActiveCall& call, const command::Report& report) {
  visit(call, report.note);
  if (options_.narrate) tell(call, EngineEvent::Noted{report.note});
}

void Switchboard::visit(ActiveCall& call, const Note& note) {
  if (const auto* entered = std::get_if<note::NodeEntered>(&note)) {
    call.path.push_back(entered->node);
    call.visit = NodeVisit{call.record.id, call.visits++, entered->node, entered->type, now(), {}, "active"};
  } else if (const auto* left = std::get_if<note::NodeLeft>(&note); left != nullptr && call.visit) {
    NodeVisit visit = *std::exchange(call.visit, std::nullopt);
    visit.left = now();
    visit.status = left->error.empty() ? "ok" : "error";
    visit.exit = left->exit;
    visit.input = left->input;
    visit.output = left->output;
    visit.error = left->error;
    if (world_.store != nullptr) world_.store->put_visit(std::move(visit));
  }
}

// ------------------------------------------------------------------------- what the router wants

// A number as a From: ours, unless it is a URI already.
std::string Switchboard::identity(const std::string& number) const {
  if (number.empty() || number.find(':') != std::string::npos) return number;
  const Address at = world_.sip.local_address();
  const std::string ip = at.ip.find(':') == std::string::npos ? at.ip : "[" + at.ip + "]";
  return "sip:" + number + "@" + ip + ":" + std::to_string(at.port);
}

// A number as whom to call: at the trunk, or at ourselves where there is none; anything else as it is.
std::string Switchboard::destination(const std::string& number) const {
  if (number.empty() || number.find_first_not_of("0123456789+*#") != std::string::npos) return number;
  if (options_.trunk.empty()) return identity(number);
  const auto host = options_.trunk.find(':') + 1;
  return options_.trunk.substr(0, host) + number + "@" + options_.trunk.substr(host);
}

void Switchboard::dial(const std::string& id, Originate request, const std::string& like) {
  std::optional<Codec> codec;
  if (const ActiveCall* other = find_call(like)) codec = other->legs[0].codec;
  originate(id, std::move(request), codec);
}

void Switchboard::tell_session(const std::string& id, Event event) {
  if (ActiveCall* call = find_call(id)) later(*call, std::move(event));
}

void Switchboard::end(const std::string& id, std::string reason) {
  if (ActiveCall* call = find_call(id)) later(*call, event::Stop{std::move(reason)});
}

void Switchboard::bridge(const std::string& a, const std::string& b, const BridgeOptions& options) {
  const ActiveCall* const one = find_call(a);
  const ActiveCall* const other = find_call(b);
  if (one != nullptr && other != nullptr)
    world_.media.bridge(one->legs[0].stream, other->legs[0].stream, options);
}

void Switchboard::unbridge(const std::string& a, const std::string& b) {
  const ActiveCall* const one = find_call(a);
  const ActiveCall* const other = find_call(b);
  if (one != nullptr && other != nullptr) world_.media.unbridge(one->legs[0].stream, other->legs[0].stream);
}

void Switchboard::notify_refer(const std::string& id, int status) {
  if (const ActiveCall* call = find_call(id); call != nullptr && call->legs[0].sip != 0)
    world_.sip.notify_refer(call->legs[0].sip, status);
}

void Switchboard::log(const acd::Event& event, const acd::Commands& commands, Time at) {
  for (const acd::Command& command : commands) world_.tell({{}, at, EngineEvent::Routed{command}});
  const std::int64_t sequence = router_step_++;
  if (world_.store == nullptr) return;
  RouterStep step{sequence, at, acd::to_json(event), "[", {}};
  const auto concerns = [&step](const auto& what) {
    if constexpr (requires { what.call; }) {
      if (!what.call.empty() && std::ranges::find(step.calls, what.call) == step.calls.end())
        step.calls.push_back(what.call);
    }
  };
  std::visit(concerns, event);
  for (const acd::Command& command : commands) {
    if (step.commands.size() > 1) step.commands += ',';
    step.commands += acd::to_json(command);
    std::visit(concerns, command);
  }
  step.commands += ']';
  world_.store->append_router(std::move(step));
}

void Switchboard::save_router() {
  router_saved_ = router_step_;
  if (world_.store != nullptr) world_.store->put_router_snapshot({router_step_, now(), acd_.router().save()});
}

void Switchboard::when_kept(std::function<void()> then) {
  if (world_.store == nullptr) return then();
  promises_.push_back({router_step_ - 1, std::move(then)});
}

void Switchboard::keep_promises() {
  while (!promises_.empty() && promises_.front().step <= world_.store->router_stored()) {
    const Promise promise = std::move(promises_.front());
    promises_.pop_front();
    promise.then();
  }
}

CallRecord* Switchboard::record(const std::string& id) {
  ActiveCall* const call = find_call(id);
  return call == nullptr ? nullptr : &call->record;
}

// ----------------------------------------------------------------------- what the application wants

namespace {

absl::Status no_call(std::string_view id) {
  return absl::NotFoundError("there is no call '" + std::string(id) + "' (any more)");
}

}  // namespace

void Switchboard::mask(std::string_view one, std::string_view other, Millis lifetime,
                       std::function<void(absl::StatusOr<std::string>)> then) {
  if (!masking_) return then(absl::FailedPreconditionError("mask: there are no masking_numbers"));
  forget_masks();
  auto number = masking_->connect(one, other, lifetime, now());
  if (!number.ok() || world_.store == nullptr) return then(std::move(number));
  world_.store->put_document(document_of({*number, std::string(one), std::string(other), now() + lifetime}),
                             kDocumentTicket);
  unkept_.push_back([number = *std::move(number), then = std::move(then)](const absl::Status& kept) {
    kept.ok() ? then(number) : then(kept);
  });
}

void Switchboard::forget_masks() {
  for (const NumberMasking::Mapping& gone : masking_->expire(now())) {
    if (world_.store != nullptr) world_.store->remove_document(kMaskingKind, document_of(gone).id);
  }
}

absl::Status Switchboard::transfer(std::string_view id, const std::string& uri) {
  if (find_call(id) == nullptr) return no_call(id);
  if (!acd_.send_on(std::string(id), uri))
    return absl::FailedPreconditionError("call '" + std::string(id) + "' talks with nobody");
  return absl::OkStatus();
}

absl::Status Switchboard::warm_transfer(std::string_view id, const std::string& uri, Prompts brief,
                                        const std::string& accept_keys) {
  if (find_call(id) == nullptr) return no_call(id);
  if (!acd_.consult(std::string(id), uri, std::move(brief), accept_keys))
    return absl::FailedPreconditionError("call '" + std::string(id) + "' talks with nobody");
  return absl::OkStatus();
}

absl::Status Switchboard::join_partners(std::string_view id, std::string_view other) {
  for (const std::string_view each : {id, other}) {
    const ActiveCall* const call = find_call(each);
    if (call == nullptr || call->legs[0].closing) return no_call(each);
    if (!call->legs[0].up)
      return absl::FailedPreconditionError("call '" + std::string(each) + "' has not been answered");
  }
  if (!acd_.join_partners(std::string(id), std::string(other)))
    return absl::FailedPreconditionError("call '" + std::string(id) + "' talks with nobody");
  return absl::OkStatus();
}

absl::Status Switchboard::hold(std::string_view id, bool on) {
  ActiveCall* const call = find_call(id);
  if (call == nullptr) return no_call(id);
  later(*call, event::PeerHeld{on});
  return absl::OkStatus();
}

absl::Status Switchboard::mute(std::string_view id, bool on) {
  const ActiveCall* const call = find_call(id);
  if (call == nullptr || call->legs[0].stream == 0 || call->legs[0].closing) return no_call(id);
  world_.media.mute(call->legs[0].stream, on);
  return absl::OkStatus();
}

namespace {

// A supervisor's call stays until somebody hangs up; what its keys do is the switchboard's.
class SupervisorScript final : public Script {
 public:
  void step(const Outcome& outcome, Time, ScriptOutput& out) override {
    if (!std::holds_alternative<outcome::Ended>(outcome)) out.intent.push_back(intent::Wait{24h});
  }
};

}  // namespace

absl::Status Switchboard::supervise(const std::string& id, std::string_view watched, const std::string& uri,
                                    Supervision mode) {
  const ActiveCall* const call = find_call(watched);
  if (call == nullptr) return no_call(watched);
  Originate request;
  request.uri = uri;
  request.script = [](const CallInfo&) { return std::make_unique<SupervisorScript>(); };
  originate(id, std::move(request), call->legs[0].codec);
  if (ActiveCall* const supervisor = find_call(id)) {
    supervisor->watches = mode;
    supervisor->watched = std::string(watched);
    supervisors_.emplace(watched, id);
  }
  return absl::OkStatus();
}

// What a supervisor's call hears and says, as it is wanted now.
void Switchboard::watch(ActiveCall& call) {
  const ActiveCall* const watched = find_call(call.watched);
  if (call.legs[0].closing) return;
  if (watched == nullptr || watched->legs[0].stream == 0 || watched->legs[0].closing)
    return later(call, event::Stop{"the call is over"});
  world_.media.supervise(call.legs[0].stream, watched->legs[0].stream, *call.watches);
}

}  // namespace ivr
