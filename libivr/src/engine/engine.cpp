#include "ivr/engine.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "edge/call_journal.hpp"
#include "edge/clock.hpp"
#include "edge/codecs.hpp"
#include "edge/curl_http.hpp"
#include "edge/espeak.hpp"
#include "edge/sofia_sip.hpp"
#include "edge/sqlite_store.hpp"
#include "edge/stun_client.hpp"
#include "engine/mailbox.hpp"
#include "engine/media.hpp"
#include "engine/prompt_library.hpp"
#include "engine/recovery.hpp"
#include "engine/store_thread.hpp"
#include "engine/switchboard.hpp"

namespace ivr {
namespace {

constexpr std::size_t kMaxEvents = 65'536;
constexpr Millis kHangUpGrace = 2s;  // for BYEs to be answered when the engine stops
constexpr Millis kStoreGrace = 10s;  // for the backlog to be written
constexpr std::size_t kRequests = 4096;
constexpr Millis kPatience = 5s;  // of who asks the control thread

absl::Status cannot_make(std::string_view what, const std::filesystem::path& path,
                         const std::error_code& why) {
  return absl::UnavailableError(std::string(what) + " " + path.string() + ": " + why.message());
}

}  // namespace

class Engine::Impl {
 public:
  Impl(EngineOptions options, EnginePorts ports) : options_(std::move(options)), ports_(std::move(ports)) {}
  ~Impl() { stop(0ms); }

  absl::Status start();
  void stop(Millis grace);
  std::optional<EngineEvent> next_event(Millis timeout);
  absl::StatusOr<std::string> originate(Originate request);
  absl::Status hang_up(std::string_view call, std::string reason);
  // Asks the control thread, and waits for what it says.
  template <class Answer>
  absl::StatusOr<Answer> consult(std::function<absl::StatusOr<Answer>(Switchboard&)> question);
  // The same, of a question that is answered later.
  template <class Answer>
  absl::StatusOr<Answer> await(
      std::function<void(Switchboard&, std::function<void(absl::StatusOr<Answer>)>)> question);
  absl::Status order(std::function<absl::Status(Switchboard&)> request);
  absl::Status set_routes(std::vector<Route> routes);
  Time now() const { return clock_.now(); }
  EngineStats stats() const;

  Address sip_address_;
  int recovered_ = 0;

 private:
  using Request = std::function<void(Switchboard&)>;

  absl::Status learn_address(std::string_view local_ip, std::string& external_ip,
                             std::optional<StunClient>& client);
  void watch_address();
  void note_media(Time now);
  absl::Status open_store();
  absl::Status recover();
  void preload(const std::vector<Route>& routes);
  absl::Status ask(Request request);
  void control();
  void tell(EngineEvent event) { told_.push_back(std::move(event)); }
  void hand_out();

  EngineOptions options_;
  EnginePorts ports_;
  SteadyClock clock_;
  std::optional<Router> router_;  // as an earlier run left it, until the switchboard has it
  std::int64_t router_next_ = 0;
  std::vector<StoredDocument> masked_;  // pairs, as an earlier run left them
  std::unique_ptr<CallJournal> journal_;
  std::unique_ptr<StoreThread> store_;
  std::unique_ptr<PromptLibrary> prompts_;
  std::unique_ptr<Switchboard> switchboard_;
  std::optional<StunClient> sip_seen_, media_seen_;
  bool asks_once_ = false;  // sip_seen_ for the media too
  Time media_noted_{};
  SharedPorts shared_ports_;
  std::vector<MediaLoad> media_loads_;
  std::thread control_;
  std::atomic<bool> running_{false};
  Mailbox<Request> requests_{kRequests};
  std::atomic<bool> draining_{false};
  Time drain_until_{};  // written before draining_
  std::atomic<std::uint32_t> next_outbound_{1};

  mutable std::mutex events_mutex_;
  std::condition_variable events_ready_;
  std::string unwritten_;          // what the store still lacked when the engine stopped
  std::vector<EngineEvent> told_;  // in this round, by the control thread
  std::deque<EngineEvent> events_;
  std::uint64_t events_dropped_ = 0;
  bool over_ = true;
  std::string external_ip_, external_ip_error_;
};

// ---------------------------------------------------------------------------------------- starting

// Where an external_ip names a server, what that says takes its place.
absl::Status Engine::Impl::learn_address(std::string_view local_ip, std::string& external_ip,
                                         std::optional<StunClient>& client) {
  if (!stun::is_uri(external_ip)) return absl::OkStatus();
  auto made = StunClient::create(external_ip, local_ip, {.refresh = options_.external_ip_refresh});
  absl::StatusOr<std::string> seen = made.ok() ? made->ask() : made.status();
  if (!seen.ok()) {
    return absl::Status(seen.status().code(), "external_ip: " + std::string(seen.status().message()));
  }
  client.emplace(*std::move(made));
  external_ip = *std::move(seen);
  return absl::OkStatus();
}

absl::Status Engine::Impl::open_store() {
  std::error_code why;
  if (std::filesystem::create_directories(options_.recordings, why); why) {
    return cannot_make("cannot make the folder for recordings", options_.recordings, why);
  }
  if (!ports_.store) {
    if (options_.database.empty()) return absl::OkStatus();
    if (const auto folder = std::filesystem::path(options_.database).parent_path(); !folder.empty()) {
      if (std::filesystem::create_directories(folder, why); why)
        return cannot_make("cannot make", folder, why);
    }
    auto opened = SqliteStore::open(options_.database);
    if (!opened.ok()) return opened.status();
    ports_.store = *std::move(opened);
  }
  if (!options_.database.empty()) {
    auto journal = CallJournal::create(options_.database + ".calls",
                                       {.max_calls = 2 * std::max(options_.limits.calls, 1) + 256});
    if (!journal.ok()) return journal.status();
    journal_ = *std::move(journal);
  }
  return recover();
}

absl::Status Engine::Impl::recover() {
  auto found = ivr::recover(options_, *ports_.store, journal_.get(), clock_.now());
  if (!found.ok()) return found.status();
  recovered_ = found->calls;
  router_ = std::move(found->router);
  router_next_ = found->router_next;
  masked_ = std::move(found->masked);
  for (sip::Registered& each : found->registered) options_.sip.registered.push_back(std::move(each));
  for (EngineEvent::Unreadable& each : found->unreadable) tell({{}, clock_.now(), std::move(each)});
  return absl::OkStatus();
}

void Engine::Impl::preload(const std::vector<Route>& routes) {
  for (const Route& route : routes) {
    for (const Prompts& prompts : route.preload) prompts_->preload(prompts, options_.codecs.front());
  }
}

absl::Status Engine::Impl::start() {
  if (running_) return absl::FailedPreconditionError("the engine has been started already");
  // Of one server that is asked from one address one answer is enough.
  if (stun::is_uri(options_.sip.external_ip) && options_.sip.external_ip == options_.media.external_ip &&
      options_.sip.listen == options_.media.bind_ip)
    asks_once_ = true;
  if (auto learned = learn_address(options_.sip.listen, options_.sip.external_ip, sip_seen_); !learned.ok())
    return learned;
  if (asks_once_) {
    options_.media.external_ip = options_.sip.external_ip;
  } else if (auto learned = learn_address(options_.media.bind_ip, options_.media.external_ip, media_seen_);
             !learned.ok()) {
    return learned;
  }
  external_ip_ = options_.sip.external_ip;
  if (auto opened = open_store(); !opened.ok()) return opened;
  if (!ports_.sip) ports_.sip = make_sofia_sip({.retry_after = options_.limits.retry_after});
  SipPort* const sip = ports_.sip.get();
  if (!ports_.media) ports_.media = make_media();
  if (!ports_.http) {
    auto http = CurlHttp::create();
    if (!http.ok()) return http.status();
    ports_.http = *std::move(http);
  }
#ifdef IVR_WITH_ESPEAK
  if (!ports_.speech) {
    auto speech = EspeakSpeech::create();
    if (!speech.ok()) return speech.status();
    ports_.speech = *std::move(speech);
  }
#endif
  if (ports_.store) {
    auto store = StoreThread::create(std::move(ports_.store), {}, [sip] { sip->wake(); });
    if (!store.ok()) return store.status();
    store_ = *std::move(store);
  }
  prompts_ =
      std::make_unique<PromptLibrary>(PromptLibraryOptions{.folder = options_.prompts,
                                                           .speech_cache = options_.speech_cache,
                                                           .default_language = options_.default_language},
                                      ports_.speech.get(), [sip] { sip->wake(); });
  preload(options_.routes);
  if (auto started = ports_.media->start(options_.media, [sip] { sip->wake(); }); !started.ok())
    return started;
  note_media(clock_.now());
  switchboard_ = std::make_unique<Switchboard>(
      options_, Switchboard::World{*ports_.sip, *ports_.media, *ports_.http, *prompts_, store_.get(),
                                   journal_.get(), [this] { return clock_.now(); },
                                   [this](EngineEvent event) { tell(std::move(event)); }});
  over_ = false;

  // The SIP stack lives in the control thread from its first breath; start() waits to hear whether it could
  // bind.
  std::mutex mutex;
  std::condition_variable bound;
  std::optional<absl::Status> result;
  running_ = true;
  control_ = std::thread([&] {
    absl::Status started =
        sip->start(options_.sip, [this](const sip::Event& event) { switchboard_->on_sip(event); });
    if (started.ok()) {
      sip_address_ = sip->local_address();
      started = switchboard_->start(std::move(router_), router_next_, masked_);
      if (!started.ok()) sip->stop();
    }
    {
      const std::lock_guard lock(mutex);
      result = started;
      bound.notify_one();
    }
    if (!started.ok()) return;
    for (const sip::Enrol& enrolment : options_.enrolments) ports_.sip->enrol(enrolment);
    control();
  });
  std::unique_lock lock(mutex);
  bound.wait(lock, [&] { return result.has_value(); });
  lock.unlock();
  if (!result->ok()) {
    control_.join();
    ports_.media->stop();
    running_ = false;
    over_ = true;
  }
  return *result;
}

// ------------------------------------------------------------------------------ the control thread

void Engine::Impl::control() {
  SipPort& sip = *ports_.sip;
  bool ended_all = false;
  Time last{};
  for (;;) {
    sip.run(std::min<Micros>(switchboard_->until_next(), 100ms));
    Request request;
    while (requests_.pop(request)) request(*switchboard_);
    switchboard_->work();
    hand_out();
    watch_address();
    if (const Time now = clock_.now(); now - media_noted_ >= 1s) note_media(now);
    if (!draining_.load(std::memory_order_acquire)) continue;
    switchboard_->drain();
    const Time now = clock_.now();
    if (switchboard_->calls() == 0) break;
    if (!ended_all && now >= drain_until_) {
      switchboard_->end_all("shutting down");
      ended_all = true;
      last = now + kHangUpGrace;
    }
    if (ended_all && now >= last) break;
  }
  Request late;
  while (requests_.pop(late)) late(*switchboard_);  // somebody waits for the answer
  sip.stop();
}

void Engine::Impl::note_media(Time now) {
  media_noted_ = now;
  const SharedPorts ports = ports_.media->shared_ports();
  std::vector<MediaLoad> loads = ports_.media->loads();
  const std::lock_guard lock(events_mutex_);
  shared_ports_ = ports;
  media_loads_ = std::move(loads);
}

void Engine::Impl::watch_address() {
  const Time now = clock_.now();
  std::optional<std::string> changed;
  if (media_seen_ && (changed = media_seen_->poll(now))) ports_.media->set_external_ip(*changed);
  if (!sip_seen_) return;
  if ((changed = sip_seen_->poll(now))) {
    ports_.sip->set_external_ip(*changed);
    if (asks_once_) ports_.media->set_external_ip(*changed);
  }
  if (!changed && sip_seen_->error() == external_ip_error_) return;
  const std::lock_guard lock(events_mutex_);
  if (changed) external_ip_ = *changed;
  external_ip_error_ = sip_seen_->error();
}

void Engine::Impl::stop(Millis grace) {
  if (!running_.exchange(false)) return;
  drain_until_ = clock_.now() + grace;
  draining_.store(true, std::memory_order_release);
  ports_.sip->wake();
  control_.join();
  ports_.media->stop();
  note_media(clock_.now());
  switchboard_->work();  // recordings that ended with their streams, records that were committed
  switchboard_->close_rest();
  switchboard_->save_router();
  switchboard_->work();
  if (store_) {
    if (auto written = store_->flush(kStoreGrace); !written.ok()) unwritten_ = std::string(written.message());
    switchboard_->work();  // frees the journal slots of what has been written
  }
  prompts_.reset();
  ports_.http.reset();
  store_.reset();
  journal_.reset();
  hand_out();
  {
    const std::lock_guard lock(events_mutex_);
    over_ = true;
  }
  events_ready_.notify_all();
}

// ------------------------------------------------------------------------------------ from outside

absl::Status Engine::Impl::ask(Request request) {
  if (!running_) return absl::FailedPreconditionError("the engine is not running");
  if (!requests_.push(std::move(request))) {
    return absl::ResourceExhaustedError("more than " + std::to_string(kRequests) +
                                        " requests wait for the engine");
  }
  ports_.sip->wake();
  return absl::OkStatus();
}

absl::StatusOr<std::string> Engine::Impl::originate(Originate request) {
  if (!request.script)
    return absl::InvalidArgumentError("originate: a script is needed to call " + request.uri);
  if (request.uri.empty()) return absl::InvalidArgumentError("originate: no URI to call");
  std::string id = Switchboard::new_id(clock_.now());
  auto asked = ask(
      [id, request = std::move(request)](Switchboard& s) mutable { s.originate(id, std::move(request)); });
  if (!asked.ok()) return asked;
  return id;
}

absl::Status Engine::Impl::hang_up(std::string_view call, std::string reason) {
  return ask([id = std::string(call), reason = std::move(reason)](Switchboard& s) { s.hang_up(id, reason); });
}

template <class Answer>
absl::StatusOr<Answer> Engine::Impl::consult(std::function<absl::StatusOr<Answer>(Switchboard&)> question) {
  return await<Answer>(
      [question = std::move(question)](Switchboard& s, const auto& say) { say(question(s)); });
}

template <class Answer>
absl::StatusOr<Answer> Engine::Impl::await(
    std::function<void(Switchboard&, std::function<void(absl::StatusOr<Answer>)>)> question) {
  const auto said = std::make_shared<std::promise<absl::StatusOr<Answer>>>();
  auto answer = said->get_future();
  auto asked = ask([said, question = std::move(question)](Switchboard& s) {
    question(s, [said](absl::StatusOr<Answer> words) { said->set_value(std::move(words)); });
  });
  if (!asked.ok()) return asked;
  if (answer.wait_for(kPatience) != std::future_status::ready)
    return absl::DeadlineExceededError(
        "the engine did not answer within 5 s: it is stopping, overloaded, or cannot write");
  return answer.get();
}

absl::Status Engine::Impl::order(std::function<absl::Status(Switchboard&)> request) {
  return consult<bool>([request = std::move(request)](Switchboard& s) -> absl::StatusOr<bool> {
           if (auto done = request(s); !done.ok()) return done;
           return true;
         })
      .status();
}

// The control thread alone reads the routes once it runs, so it is the one that changes them.
absl::Status Engine::Impl::set_routes(std::vector<Route> routes) {
  return order([this, routes = std::move(routes)](Switchboard& s) mutable {
    std::vector<QueueOptions> queues;
    for (const Route& route : routes) {
      const bool known =
          std::ranges::find(options_.routes, route.flow_digest, &Route::flow_digest) != options_.routes.end();
      if (known) continue;
      queues.insert(queues.end(), route.queues.begin(), route.queues.end());
      if (store_ && !route.flow_digest.empty())
        store_->put_flow({route.flow, route.flow_digest, route.flow_document, clock_.now()});
    }
    if (auto set = s.acd().set_queues(queues); !set.ok()) return set;
    preload(routes);
    options_.routes = std::move(routes);
    return absl::OkStatus();
  });
}

// What a round has told, at once: to wake the application for each event costs more than the event.
void Engine::Impl::hand_out() {
  if (told_.empty()) return;
  {
    const std::lock_guard lock(events_mutex_);
    for (EngineEvent& event : told_) {
      if (events_.size() >= kMaxEvents) {
        events_.pop_front();
        ++events_dropped_;
      }
      events_.push_back(std::move(event));
    }
  }
  told_.clear();
  events_ready_.notify_all();
}

std::optional<EngineEvent> Engine::Impl::next_event(Millis timeout) {
  std::unique_lock lock(events_mutex_);
  events_ready_.wait_for(lock, timeout, [this] { return !events_.empty() || over_; });
  if (events_.empty()) return std::nullopt;
  EngineEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

EngineStats Engine::Impl::stats() const {
  EngineStats stats;
  if (switchboard_) {
    const auto& counters = switchboard_->counters();
    stats.calls = counters.calls;
    stats.peak_calls = counters.peak;
    stats.started = counters.started;
    stats.answered = counters.answered;
    stats.ended = counters.ended;
    stats.refused = counters.refused;
  }
  stats.store_error = unwritten_;
  if (store_) {
    const auto store = store_->stats();
    stats.records_waiting = store.backlog;
    stats.store_errors = store.retries;
    stats.store_error = store.last_error;
  }
  const std::lock_guard lock(events_mutex_);
  stats.events_dropped = events_dropped_;
  stats.external_ip = external_ip_;
  stats.external_ip_error = external_ip_error_;
  stats.shared_ports = shared_ports_;
  stats.media_threads = media_loads_;
  return stats;
}

// ------------------------------------------------------------------------------------- the surface

std::vector<Codec> default_codecs() {
  std::vector<Codec> codecs = {Codec::pcmu, Codec::pcma, Codec::g722, Codec::opus, Codec::l16};
  std::erase_if(codecs, [](Codec codec) { return !has_codec(codec); });
  return codecs;
}

namespace {

absl::Status check_routes(const std::vector<Route>& routes) {
  for (const Route& route : routes) {
    if (route.extension.empty()) return absl::InvalidArgumentError("a route has no extension");
    if (!route.script) return absl::InvalidArgumentError("route '" + route.extension + "' has no script");
    if (const auto star = route.extension.find('*', 1);  // at the beginning it is the key of a feature code
        star != std::string::npos && star + 1 != route.extension.size()) {
      return absl::InvalidArgumentError("route '" + route.extension +
                                        "': '*' may only stand at the end, or begin a feature code");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::create(EngineOptions options, EnginePorts ports) {
  if (auto checked = check_routes(options.routes); !checked.ok()) return checked;
  if (options.codecs.empty()) return absl::InvalidArgumentError("no codec is allowed: codecs is empty");
  for (const Codec codec : options.codecs) {
    if (!has_codec(codec)) {
      return absl::InvalidArgumentError("codec '" + std::string(format_of(codec).name) +
                                        "': this library was built without it (IVR_WITH_OPUS=OFF)");
    }
  }
  for (const std::string& ip : {options.sip.external_ip, options.media.external_ip}) {
    if (!stun::is_uri(ip)) continue;
    if (auto server = stun::parse_uri(ip); !server.ok())
      return absl::InvalidArgumentError("external_ip " + std::string(server.status().message()));
  }
  if (options.limits.calls < 0) {
    return absl::InvalidArgumentError("limits.calls is " + std::to_string(options.limits.calls) +
                                      ", less than 0");
  }
  return std::unique_ptr<Engine>(new Engine(std::make_unique<Impl>(std::move(options), std::move(ports))));
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;
absl::Status Engine::start() { return impl_->start(); }
void Engine::stop(Millis grace) { impl_->stop(grace); }
std::optional<EngineEvent> Engine::next_event(Millis timeout) { return impl_->next_event(timeout); }
absl::StatusOr<std::string> Engine::originate(Originate request) {
  return impl_->originate(std::move(request));
}
absl::Status Engine::set_routes(std::vector<Route> routes) {
  if (auto checked = check_routes(routes); !checked.ok()) return checked;
  return impl_->set_routes(std::move(routes));
}
absl::Status Engine::hang_up(std::string_view call, std::string reason) {
  return impl_->hang_up(call, std::move(reason));
}
absl::Status Engine::set_agent_state(std::string_view agent, AgentState state, std::string reason) {
  return impl_->order([agent = std::string(agent), state, reason = std::move(reason)](Switchboard& s) {
    return s.acd().set_status(agent, state, reason);
  });
}
absl::StatusOr<std::vector<Router::AgentView>> Engine::agents() {
  return impl_->consult<std::vector<Router::AgentView>>(
      [now = impl_->now()](Switchboard& s) { return s.acd().router().agents(now); });
}
absl::StatusOr<std::vector<Router::QueueView>> Engine::queues() {
  return impl_->consult<std::vector<Router::QueueView>>(
      [now = impl_->now()](Switchboard& s) { return s.acd().router().queues(now); });
}
absl::StatusOr<std::vector<Router::EntryView>> Engine::entries() {
  return impl_->consult<std::vector<Router::EntryView>>(
      [now = impl_->now()](Switchboard& s) { return s.acd().router().entries(now); });
}
absl::StatusOr<acd::Decided> Engine::explain(std::string_view call) {
  return impl_->consult<acd::Decided>(
      [call = std::string(call), now = impl_->now()](Switchboard& s) -> absl::StatusOr<acd::Decided> {
        if (auto decided = s.acd().router().explain(call, now)) return *std::move(decided);
        return absl::NotFoundError("call '" + call + "' waits in no queue");
      });
}
absl::StatusOr<std::string> Engine::connect(std::string first, std::string second, std::string shown) {
  Originate request;
  request.uri = std::move(first);
  request.from_uri = shown;
  request.may_refer = request.dialled_may_refer = true;
  request.script =
      [to = intent::Transfer{.uri = std::move(second), .caller_id = std::move(shown), .talk_on = true}](
          const CallInfo&) { return Switchboard::connect_script(to); };
  return impl_->originate(std::move(request));
}
absl::StatusOr<std::string> Engine::mask(std::string_view one, std::string_view other, Millis lifetime) {
  return impl_->await<std::string>(
      [one = std::string(one), other = std::string(other), lifetime](Switchboard& s, auto then) {
        s.mask(one, other, lifetime, std::move(then));
      });
}
absl::Status Engine::transfer(std::string_view call, std::string uri) {
  return impl_->order(
      [call = std::string(call), uri = std::move(uri)](Switchboard& s) { return s.transfer(call, uri); });
}
absl::Status Engine::warm_transfer(std::string_view call, std::string uri, Prompts brief,
                                   std::string accept_keys) {
  return impl_->order(
      [call = std::string(call), uri = std::move(uri), brief = std::move(brief),
       keys = std::move(accept_keys)](Switchboard& s) { return s.warm_transfer(call, uri, brief, keys); });
}
absl::Status Engine::join_partners(std::string_view call, std::string_view other) {
  return impl_->order([call = std::string(call), other = std::string(other)](Switchboard& s) {
    return s.join_partners(call, other);
  });
}
absl::Status Engine::hold(std::string_view call, bool on) {
  return impl_->order([call = std::string(call), on](Switchboard& s) { return s.hold(call, on); });
}
absl::Status Engine::mute(std::string_view call, bool on) {
  return impl_->order([call = std::string(call), on](Switchboard& s) { return s.mute(call, on); });
}
absl::StatusOr<std::string> Engine::supervise(std::string_view call, std::string uri, Supervision mode) {
  std::string id = Switchboard::new_id(impl_->now());
  auto asked = impl_->order([id, call = std::string(call), uri = std::move(uri), mode](Switchboard& s) {
    return s.supervise(id, call, uri, mode);
  });
  if (!asked.ok()) return asked;
  return id;
}
EngineStats Engine::stats() const { return impl_->stats(); }
Address Engine::sip_address() const { return impl_->sip_address_; }
int Engine::recovered_calls() const { return impl_->recovered_; }

}  // namespace ivr
