#include "ivr/flow_run.hpp"

#include <algorithm>
#include <cassert>

#include "core/flow_agents.hpp"
#include "core/flow_api.hpp"
#include "core/flow_model.hpp"
#include "core/flow_prompts.hpp"
#include "core/flow_scope.hpp"

namespace ivr {

using namespace flow;

namespace {

constexpr int kErrorFuel = 32;  // visits left for the goodbye after the fuel is out
const Barge kToTheEnd{BargeIn::none};
constexpr int kMaxErrors = 100;  // of one call; then it ends

}  // namespace

class FlowRun::Machine {
 public:
  Machine(std::shared_ptr<const Flow> flow, FlowRunOptions options)
      : flow_(std::move(flow)),
        model_(flow_->model()),
        options_(std::move(options)),
        scope_(model_, options_) {
    fuel_ = options_.fuel;
    random_ = options_.seed;
    visits_.resize(model_.nodes.size());
  }

  void step(const Outcome& outcome, Time now, ScriptOutput& out) {
    scope_.now = now;
    out_ = &out;
    if (!ended_) {
      if (std::holds_alternative<outcome::Ended>(outcome)) {
        end(std::get<outcome::Ended>(outcome));
      } else if (at_ < 0) {
        if (const auto* started = std::get_if<outcome::Started>(&outcome); started && !hanging_up_)
          begin(*started);
      } else {
        resume(outcome);
        run();
      }
    }
    out_ = nullptr;
  }

  std::string variables_json() const { return scope_.variables_json(); }
  const std::string& language() const noexcept { return scope_.language_name(); }
  const std::string& node_name() const noexcept {
    static const std::string kNone;
    return at_ < 0 ? kNone : node().name;
  }
  bool ended() const noexcept { return ended_; }
  const std::shared_ptr<const Flow>& flow() const noexcept { return flow_; }

 private:
  // What the open intent of a node is for.
  enum class Phase : std::uint8_t { none, say, ask, act, pause, refer, goodbye };

  const Node& node() const { return model_.nodes[static_cast<std::size_t>(at_)]; }
  template <class T>
  const T& body() const {
    return std::get<T>(node().body);
  }

  // -------------------------------------------------------------------------------------------- the way

  void begin(const outcome::Started& started) {
    scope_.call = started.call;
    if (const int l = model_.language(scope_.call.language); l >= 0) scope_.language = l;
    next_ = model_.start;
    at_ = kNowhere;
    arrive();
    run();
  }

  // Runs nodes until one wants something.
  void run() {
    while (next_ >= 0 && out_->intent.empty()) arrive();
    assert(out_->intent.size() == 1 || ended_);
  }

  void arrive() {
    at_ = next_;
    next_ = kNowhere;
    const Node& n = node();
    scope_.node = n.name;
    const int visit = ++visits_[static_cast<std::size_t>(at_)];
    out_->notes.push_back(note::NodeEntered{n.name, std::string(n.type_name), visit});
    phase_ = Phase::none;
    if (--fuel_ < 0) return out_of_fuel();
    enter();
  }

  void out_of_fuel() {
    if (node().type == NodeType::hangup && fuel_ > -kErrorFuel) return enter();
    const int to = fuel_ == -1 ? model_.on_error : fuel_ > -kErrorFuel ? kNowhere - 1 : kNowhere;
    if (to == kNowhere - 1) return enter();
    leave("error", to, {},
          "more than " + std::to_string(options_.fuel) + " nodes without a key from the caller", "fuel");
  }

  // Leaves the node; `to` nowhere ends the call with `reason`.
  void leave(std::string_view exit, int to, std::string input = {}, std::string error = {},
             std::string_view reason = "error", std::string output = {}) {
    const Node& n = node();
    if (output.empty() && to >= 0)
      append_json(std::string_view(model_.nodes[static_cast<std::size_t>(to)].name), output);
    out_->notes.push_back(note::NodeLeft{n.name, std::string(n.type_name), std::string(exit),
                                         std::move(input), std::move(output), std::move(error)});
    ++left_;
    phase_ = Phase::none;
    if (to >= 0) {
      next_ = to;
    } else {
      hang_up(std::string(reason));
    }
  }

  void leave(ExitId exit, std::string input = {}, std::string error = {}, std::string output = {}) {
    leave(exit_name(exit), node().at(exit), std::move(input), std::move(error), "error", std::move(output));
  }

  // The same node again: a row of its own in the audit trail, so a replay knows what became of each try.
  void retry(std::string input) {
    int tries = tries_, invalid = invalid_, silent = silent_;
    leave("retry", at_, std::move(input));
    tries_ = tries, invalid_ = invalid, silent_ = silent;
    again_ = true;
  }

  void fail(std::string error, std::string input = {}) {
    if (++errors_ > kMaxErrors) return leave("error", kNowhere, std::move(input), std::move(error));
    leave(ExitId::error, std::move(input), std::move(error));
  }

  void hang_up(std::string reason) {
    hanging_up_ = true;
    next_ = kNowhere;
    at_ = kNowhere;
    want(intent::Hangup{std::move(reason), status_});
  }

  void end(const outcome::Ended& ended) {
    if (at_ >= 0) {
      const Node& n = node();
      const char* by = ended.by == outcome::EndedBy::caller   ? "caller"
                       : ended.by == outcome::EndedBy::script ? "script"
                                                              : "system";
      out_->notes.push_back(note::NodeLeft{
          n.name, std::string(n.type_name), "hangup", std::string(), std::string(),
          ended.by == outcome::EndedBy::system ? ended.reason.empty() ? std::string(by) : ended.reason
                                               : std::string()});
    }
    ended_ = true;
    at_ = kNowhere;
  }

  void want(Intent intent) { out_->intent.push_back(std::move(intent)); }

  // The exit that the original run took here, for decisions over values this replay does not have.
  std::string_view recorded() const {
    return left_ < options_.recorded_exits.size() ? std::string_view(options_.recorded_exits[left_])
                                                  : std::string_view();
  }

  // ------------------------------------------------------------------------------------------- entering

  void enter() {
    const bool again = std::exchange(again_, false);
    if (!again) tries_ = invalid_ = silent_ = 0;
    attempt_ = 0;
    switch (node().type) {
      case NodeType::welcome: return enter_welcome(again);
      case NodeType::play:
      case NodeType::play_digits:
      case NodeType::play_sequence: {
        const PlayNode& p = body<PlayNode>();
        return play(p.say, p.loops, p.barge, Phase::act);
      }
      case NodeType::menu: return enter_menu(again);
      case NodeType::gather: return enter_gather(again);
      case NodeType::decision: return decide();
      case NodeType::set: return assign();
      case NodeType::api: return fetch();
      case NodeType::record: return enter_record();
      case NodeType::transfer: {
        const TransferNode& t = body<TransferNode>();
        if (t.say.empty()) return dial();
        return play(t.say, 1, kToTheEnd, Phase::say);
      }
      case NodeType::queue: return enter_queue();
      case NodeType::answer: phase_ = Phase::act; return want(intent::Answer{});
      case NodeType::send_digits: return send_digits();
      case NodeType::wait: phase_ = Phase::act; return want(intent::Wait{body<WaitNode>().duration});
      case NodeType::callback: return call_back();
      case NodeType::keywords: return choose_department();
      case NodeType::hangup: {
        const HangupNode& h = body<HangupNode>();
        if (h.say.empty()) return goodbye();
        return play(h.say, 1, kToTheEnd, Phase::goodbye);
      }
    }
  }

  // Appends what is said of `say` now. False, and the node has left by its error exit, when a text cannot be
  // made.
  bool render(const Say& say, Prompts& prompts) {
    scope_.clear();
    const absl::Status status = flow::render(model_, say, scope_.language, scope_, prompts);
    if (!status.ok()) fail(std::string(status.message()));
    return status.ok();
  }

  void play(const Say& say, int loops, const Barge& barge, Phase phase) {
    Prompts prompts;
    scope_.clear();
    const absl::Status status = flow::render(model_, say, scope_.language, scope_, prompts);
    if (!status.ok())
      return phase == Phase::goodbye ? goodbye(std::string(status.message()))
                                     : fail(std::string(status.message()));
    phase_ = phase;
    intent::Play i{std::move(prompts), loops};
    barge.give(i);
    want(std::move(i));
  }

  void send_digits() {
    const SendDigitsNode& s = body<SendDigitsNode>();
    scope_.clear();
    intent::SendDigits i;
    s.digits.render(scope_, Escape::none, i.digits);
    if (const auto bad = i.digits.find_first_not_of(kSentKeys); bad != std::string::npos)
      return fail("'" + (scope_.secret ? "***" : i.digits) + "' has a character that is no key and no pause");
    i.tone = s.tone;
    i.gap = s.gap;
    phase_ = Phase::act;
    want(std::move(i));
  }

  void goodbye(std::string error = {}) {
    const std::string reason = body<HangupNode>().reason;
    status_ = body<HangupNode>().status;
    leave("hangup", kNowhere, {}, std::move(error), reason);
  }

  void enter_welcome(bool again) {
    const WelcomeNode& w = body<WelcomeNode>();
    if (!w.choose) {
      if (w.language >= 0) choose(w.language);
      if (w.say.empty()) return leave(ExitId::next);
      return play(w.say, 1, w.barge, Phase::act);
    }
    intent::Collect c;
    if (!again && !render(w.say, c.prompts)) return;
    if (!render(w.ask.empty() && again ? w.say : w.ask, c.prompts)) return;
    w.barge.give(c);
    c.terminators.clear();
    c.first_timeout = w.timeout;
    phase_ = Phase::ask;
    want(std::move(c));
  }

  void enter_menu(bool again) {
    const MenuNode& m = body<MenuNode>();
    intent::Collect c;
    if (!prompts_of(again, again && !m.short_say.empty() ? m.short_say : m.say, m.invalid_say, m.no_input_say,
                    c.prompts))
      return;
    m.barge.give(c);
    c.terminators.clear();
    c.first_timeout = m.timeout;
    c.carry = m.carry;
    phase_ = Phase::ask;
    want(std::move(c));
  }

  void enter_gather(bool again) {
    const GatherNode& g = body<GatherNode>();
    intent::Collect c;
    if (!prompts_of(again, again && !g.short_say.empty() ? g.short_say : g.say, g.invalid_say, g.no_input_say,
                    c.prompts))
      return;
    g.barge.give(c);
    c.min = g.min;
    c.max = g.max;
    c.terminators = g.terminators;
    c.first_timeout = g.timeout;
    c.digit_timeout = g.digit_timeout;
    c.carry = g.carry;
    c.sensitive = g.sensitive;
    phase_ = Phase::ask;
    want(std::move(c));
  }

  // The question; before it, on another try, what was wrong with the last one.
  bool prompts_of(bool again, const Say& say, const Say& invalid, const Say& no_input, Prompts& prompts) {
    if (again && !render(was_silent_ ? no_input : invalid, prompts)) return false;
    return render(say, prompts);
  }

  void enter_record() {
    const RecordNode& r = body<RecordNode>();
    intent::Record i;
    if (!r.say.empty() && !render(r.say, i.prompts)) return;
    i.beep = r.beep;
    i.max = r.max;
    i.silence = r.silence;
    i.finish_keys = r.finish_keys;
    i.name = r.name;
    phase_ = Phase::act;
    want(std::move(i));
  }

  // ---------------------------------------------------------------------------------- agents and others

  void dial() {
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

  void enter_queue() {
    waiting_ = {};
    const absl::Status status = queue_intent(model_, body<QueueNode>(), scope_.language, scope_, waiting_);
    if (!status.ok()) return fail(std::string(status.message()));
    phase_ = Phase::act;
    want(waiting_);
  }

  void announce(const outcome::QueueNews& news) {
    waiting_.say.clear();
    if (const auto* q = std::get_if<QueueNode>(&node().body)) {
      scope_.news = news;
      waiting_.say = announcement(model_, *q, scope_.language, scope_, news);
    }
    want(waiting_);
  }

  void after_queue(const outcome::Queued& queued) {
    using End = outcome::QueueEnd;
    put(model_.names.find(kQueueResult), value_of(result_of(queued)), false);
    const auto* q = std::get_if<QueueNode>(&node().body);
    if (queued.end == End::transferred) {
      // The agent has sent the caller on; a failure brings him back to this node's exit.
      intent::Transfer on;
      on.uri = queued.target;
      on.record = waiting_.record;
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

  void call_back() {
    auto callback = callback_intent(body<CallbackNode>(), scope_, scope_.call.caller);
    if (!callback.ok()) return fail(std::string(callback.status().message()));
    phase_ = Phase::act;
    want(*std::move(callback));
  }

  void choose_department() {
    const KeywordsNode& k = body<KeywordsNode>();
    scope_.clear();
    std::string said;
    k.text.render(scope_, Escape::none, said);
    put(k.into, value_of(result_of(k.router->route(said))), scope_.secret, scope_.redacted);
    leave(ExitId::next);
  }

  // ------------------------------------------------------------------------------------------- deciding

  void decide() {
    const DecisionNode& d = body<DecisionNode>();
    scope_.clear();
    if (d.kind == DecisionNode::Kind::time) return leave(by_hours(d.calendar));
    const double draw = d.kind == DecisionNode::Kind::percent ? random() * 100 : 0;
    double sum = 0;
    const Case* taken = nullptr;
    for (const Case& c : d.cases) {
      bool holds = false;
      switch (d.kind) {
        case DecisionNode::Kind::caller:
          holds = c.list.empty() ? matches_caller(c.callers, scope_.call.caller)
                                 : scope_.on_list(c.list, c.callers);
          break;
        case DecisionNode::Kind::percent: holds = draw < (sum += c.percent); break;
        case DecisionNode::Kind::custom:
        case DecisionNode::Kind::variable:
        case DecisionNode::Kind::time: holds = c.when.test(scope_); break;
      }
      if (holds) {
        taken = &c;
        break;
      }
    }
    if (scope_.redacted && !recorded().empty()) {
      taken = nullptr;
      for (const Case& c : d.cases) {
        if (c.exit == recorded()) taken = &c;
      }
    }
    if (taken) return leave(taken->exit, taken->target);
    leave(ExitId::otherwise);
  }

  ExitId by_hours(const std::string& calendar) {
    constexpr std::pair<CalendarState, ExitId> kExit[] = {{CalendarState::open, ExitId::open},
                                                          {CalendarState::closed, ExitId::closed},
                                                          {CalendarState::emergency, ExitId::emergency}};
    const CalendarState state = scope_.calendar(calendar);
    ExitId taken = ExitId::closed;
    for (const auto& [when, exit] : kExit) {
      if (scope_.redacted && !recorded().empty() ? exit_name(exit) == recorded() : when == state)
        taken = exit;
    }
    return node().at(taken) < 0 ? ExitId::closed : taken;  // the emergency exit may be open
  }

  // SplitMix64: the same numbers on every machine.
  double random() {
    std::uint64_t z = random_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return static_cast<double>((z ^ z >> 31) >> 11) * 0x1p-53;
  }

  // ------------------------------------------------------------------------------------------ variables

  void assign() {
    for (const SetNode::Assignment& a : body<SetNode>().assignments) {
      scope_.clear();
      const View v = a.text         ? a.text->value(scope_)
                     : a.expression ? a.expression->eval(scope_)
                                    : view(a.literal);
      if (a.slot >= 0) {
        put(a.slot, own(v), scope_.secret || a.secret, scope_.redacted);
      } else if (const auto* s = std::get_if<std::string_view>(&v)) {
        if (const int l = model_.language(*s); l >= 0) choose(l);
      }
    }
    leave(ExitId::next);
  }

  void put(int slot, Value value, bool is_secret, bool is_redacted = false) {
    if (slot < 0) return;
    out_->notes.push_back(note::VariableSet{model_.names.name(slot),
                                            scope_.set(slot, std::move(value), is_secret, is_redacted)});
  }

  void choose(int language) {
    scope_.language = language;
    out_->notes.push_back(note::LanguageChosen{scope_.language_name()});
  }

  // -------------------------------------------------------------------------------------------- the web

  void fetch() {
    const ApiNode& a = body<ApiNode>();
    auto request = api_request(a, scope_);
    if (!request.ok()) return fail(std::string(request.status().message()));
    intent::Fetch f;
    f.request = *std::move(request);
    if (!a.filler.empty() && !render(a.filler, f.filler)) return;
    f.filler_after = a.filler_after;
    ++attempt_;
    phase_ = Phase::act;
    want(std::move(f));
  }

  void fetched(const outcome::Fetched& outcome) {
    const ApiNode& a = body<ApiNode>();
    const HttpReply& reply = outcome.reply;
    const std::string input = reply.status ? std::to_string(reply.status) : "";
    const bool expected = expects(a, reply.status);
    const auto routed = std::find_if(a.on_status.begin(), a.on_status.end(),
                                     [&](const auto& s) { return s.first == reply.status; });
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
    if (has_route && !expected) return leave("status:" + input, routed->second, input);
    for (const ApiNode::Mapping& m : a.map) {
      if (api_reply.hidden(m)) {
        put(m.into, std::string("***"), true, true);
        continue;
      }
      auto value = api_reply.take(m, scope_);
      if (!value.ok()) return fail(std::string(value.status().message()), input);
      put(m.into, *std::move(value), m.secret);
    }
    if (has_route) return leave("status:" + input, routed->second, input);
    leave(ExitId::next, input);
  }

  // ------------------------------------------------------------------------------------------- resuming

  void resume(const Outcome& outcome) {
    if (const auto* played = std::get_if<outcome::Played>(&outcome)) return after_play(*played);
    if (const auto* collected = std::get_if<outcome::Collected>(&outcome);
        collected && phase_ == Phase::ask) {
      if (!collected->digits.empty() || collected->end == outcome::CollectEnd::terminator)
        fuel_ = options_.fuel;
      if (node().type == NodeType::menu) return menu_key(*collected);
      if (node().type == NodeType::gather) return gathered(*collected);
      if (node().type == NodeType::welcome) return language_key(*collected);
    }
    if (const auto* reply = std::get_if<outcome::Fetched>(&outcome);
        reply && node().type == NodeType::api && phase_ == Phase::act) {
      return fetched(*reply);
    }
    if (std::holds_alternative<outcome::Waited>(outcome)) {
      if (node().type == NodeType::api && phase_ == Phase::pause) return fetch();
      if (node().type == NodeType::wait) return leave(ExitId::next);
    }
    if (std::holds_alternative<outcome::Answered>(outcome) && node().type == NodeType::answer) {
      return leave(ExitId::next);
    }
    if (std::holds_alternative<outcome::DigitsSent>(outcome) && node().type == NodeType::send_digits) {
      return leave(ExitId::next);
    }
    if (const auto* recorded = std::get_if<outcome::Recorded>(&outcome);
        recorded && node().type == NodeType::record) {
      return after_record(*recorded);
    }
    if (node().type == NodeType::transfer || node().type == NodeType::queue) {
      if (const auto* talked = std::get_if<outcome::Transferred>(&outcome)) return after_transfer(*talked);
      if (const auto* news = std::get_if<outcome::QueueNews>(&outcome)) return announce(*news);
      if (const auto* queued = std::get_if<outcome::Queued>(&outcome)) return after_queue(*queued);
    }
    if (const auto* callback = std::get_if<outcome::CallbackTaken>(&outcome);
        callback && node().type == NodeType::callback) {
      return callback->taken ? leave(ExitId::next) : fail("there is no place in a queue to keep");
    }
    fail("an outcome that does not answer what was asked for");
  }

  void after_play(const outcome::Played& played) {
    const bool failed = played.end == outcome::PlayEnd::failed;
    switch (phase_) {
      case Phase::goodbye:
        return goodbye(failed ? played.error.empty() ? "the prompt could not be played" : played.error : "");
      case Phase::say:
        if (failed) return fail(played.error.empty() ? "the prompt could not be played" : played.error);
        if (node().type == NodeType::transfer) return dial();
        break;
      case Phase::act:
        if (failed) return fail(played.error.empty() ? "the prompt could not be played" : played.error);
        if (node().type == NodeType::welcome || std::holds_alternative<PlayNode>(node().body)) {
          if (played.end == outcome::PlayEnd::interrupted) fuel_ = options_.fuel;
          return leave(ExitId::next);
        }
        break;
      // A question that could not be spoken comes back as Played too.
      case Phase::ask:
        if (failed) return fail(played.error.empty() ? "the prompt could not be played" : played.error);
        break;
      case Phase::pause:
      case Phase::refer:
      case Phase::none: break;
    }
    fail("an outcome that does not answer what was asked for");
  }

  void language_key(const outcome::Collected& c) {
    const WelcomeNode& w = body<WelcomeNode>();
    const int key = c.digits.empty() ? -1 : key_index(c.digits[0]);
    const int chosen = key < 0 ? -1 : w.languages[static_cast<std::size_t>(key)];
    if (chosen >= 0) {
      choose(chosen);
      return leave(ExitId::next, c.digits);
    }
    was_silent_ = c.digits.empty();
    if (++tries_ < w.tries) return retry(c.digits);
    choose(w.language >= 0 ? w.language : scope_.language);
    leave(ExitId::next, c.digits);
  }

  void menu_key(const outcome::Collected& c) {
    const MenuNode& m = body<MenuNode>();
    const int key = c.digits.empty() ? -1 : key_index(c.digits[0]);
    const int to = key < 0 ? kNowhere : m.keys[static_cast<std::size_t>(key)];
    if (to >= 0) {
      if (m.into >= 0) put(m.into, c.digits, false);
      return leave(c.digits, to, c.digits);
    }
    missed(c.digits.empty(), m.tries, m.max_invalid, m.max_no_input, c.digits);
  }

  void gathered(const outcome::Collected& c) {
    const GatherNode& g = body<GatherNode>();
    const std::string shown = g.sensitive ? std::string(c.digits.size(), '*') : c.digits;
    // The terminator alone is an answer, and a wrong one.
    const bool silent =
        c.end == outcome::CollectEnd::no_input || (c.digits.empty() && c.end == outcome::CollectEnd::timeout);
    if (silent) return missed(true, g.tries, 0, 0, "");
    if (c.redacted ? recorded() == "next" : valid(g, c.digits)) {
      put(g.into, c.digits, g.sensitive, c.redacted);
      return leave(ExitId::next, shown);
    }
    missed(false, g.tries, 0, 0, shown);
  }

  bool valid(const GatherNode& g, const std::string& digits) {
    if (static_cast<int>(digits.size()) < g.min || static_cast<int>(digits.size()) > g.max) return false;
    if (g.low) {
      const auto n = number(std::string_view(digits));
      if (!n || n->d < *g.low || n->d > *g.high) return false;
    }
    if (g.pattern) {
      try {
        return std::regex_match(digits, *g.pattern);
      } catch (const std::regex_error&) {  // too complex for its stack
        return false;
      }
    }
    return true;
  }

  // A wrong answer or none: once more, or out by the exit of the kind that was last.
  void missed(bool silent, int tries, int max_invalid, int max_silent, std::string input) {
    was_silent_ = silent;
    ++tries_;
    ++(silent ? silent_ : invalid_);
    const int limit = silent ? max_silent : max_invalid;
    // Kinds with a limit of their own are not counted among the tries.
    const int counted = tries_ - (max_silent ? silent_ : 0) - (max_invalid ? invalid_ : 0);
    const bool over = limit ? (silent ? silent_ : invalid_) >= limit : counted >= tries;
    if (!over) return retry(std::move(input));
    leave(silent ? ExitId::no_input : ExitId::invalid, std::move(input));
  }

  void after_record(const outcome::Recorded& r) {
    if (r.end == outcome::RecordEnd::failed) return fail(r.error.empty() ? "the recording failed" : r.error);
    if (r.end == outcome::RecordEnd::finish_key) fuel_ = options_.fuel;
    put(body<RecordNode>().into, r.file, false);
    leave(ExitId::next, r.key ? std::string(1, r.key) : "", "",
          "{\"file\":" + Json(r.file).dump(-1, ' ', false, Json::error_handler_t::replace) +
              ",\"ms\":" + std::to_string(r.length.count()) + "}");
  }

  void after_transfer(const outcome::Transferred& t) {
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

  std::shared_ptr<const Flow> flow_;
  const Model& model_;
  FlowRunOptions options_;
  Scope scope_;
  ScriptOutput* out_ = nullptr;

  std::vector<int> visits_;
  int at_ = kNowhere, next_ = kNowhere;
  Phase phase_ = Phase::none;
  int tries_ = 0, invalid_ = 0, silent_ = 0;  // of the menu or gather
  bool was_silent_ = false, again_ = false;
  int attempt_ = 0;  // of the request
  int errors_ = 0;
  int fuel_ = 0;
  std::size_t left_ = 0;   // nodes left so far
  intent::Queue waiting_;  // asked for again, with another announcement
  std::uint64_t random_ = 0;
  int status_ = intent::Hangup{}.status;  // of the rejection, when the call was not answered
  bool hanging_up_ = false, ended_ = false;
};

FlowRun::FlowRun(std::shared_ptr<const Flow> flow, FlowRunOptions options)
    : machine_(std::make_unique<Machine>(std::move(flow), std::move(options))) {}
FlowRun::~FlowRun() = default;

void FlowRun::step(const Outcome& outcome, Time now, ScriptOutput& out) { machine_->step(outcome, now, out); }
std::string FlowRun::variables_json() const { return machine_->variables_json(); }
const std::string& FlowRun::language() const noexcept { return machine_->language(); }
const std::string& FlowRun::node() const noexcept { return machine_->node_name(); }
bool FlowRun::ended() const noexcept { return machine_->ended(); }
const std::shared_ptr<const Flow>& FlowRun::flow() const noexcept { return machine_->flow(); }

}  // namespace ivr
