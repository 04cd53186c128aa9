#include "edge/sofia_stack.hpp"

#include <arpa/inet.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <system_error>

#include "edge/sofia_digest.hpp"
#include "edge/sofia_guard.hpp"
#include "edge/sofia_text.hpp"

namespace ivr {
namespace {

constexpr char kAllow[] = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY";
constexpr char kAllowToo[] = ", REGISTER";
constexpr char kSdp[] = "application/sdp";

void drop_log(void*, const char*, va_list) {}

// The library writes to stderr whatever it finds noteworthy, and anybody who can send a datagram decides what
// that is. TPORT_LOG=1 in the environment brings its voice back.
void init_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    su_init();
    teach_digest();
    if (std::getenv("TPORT_LOG") || std::getenv("NUA_DEBUG") || std::getenv("NTA_DEBUG")) return;
    su_log_redirect(nullptr, drop_log, nullptr);
    su_log_set_level(nullptr, 0);
  });
}

// A port that is free for UDP and TCP now. Somebody may take it before the stack binds: the caller tries
// again.
std::uint16_t free_port(const SipOptions& options) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (inet_pton(AF_INET, options.listen.c_str(), &address.sin_addr) != 1) return 0;
  const int first = socket(AF_INET, options.tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
  socklen_t length = sizeof address;
  std::uint16_t port = 0;
  if (bind(first, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      getsockname(first, reinterpret_cast<sockaddr*>(&address), &length) == 0)
    port = ntohs(address.sin_port);
  close(first);
  return port;
}

// The library does not say why it cannot listen; the system does when it is asked once more.
std::string why_not(const SipOptions& options) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.port);
  if (inet_pton(AF_INET, options.listen.c_str(), &address.sin_addr) != 1) return "";
  std::string why;
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    if (!why.empty() || !(type == SOCK_DGRAM ? options.udp : options.tcp)) continue;
    const int fd = socket(AF_INET, type, 0);
    const int on = 1;
    if (type == SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      why = std::string(type == SOCK_DGRAM ? ", UDP: " : ", TCP: ") + std::generic_category().message(errno);
    }
    close(fd);
  }
  return why;
}

unsigned whole_seconds(Millis time) { return static_cast<unsigned>((time.count() + 999) / 1000); }

}  // namespace

SofiaLeg::~SofiaLeg() {
  if (request) msg_destroy(request);
  if (referral) msg_destroy(referral);
  if (timer) su_timer_destroy(timer);
}

SofiaStack::SofiaStack(const EarlyRefusalOptions& early_refusal)
    : wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), early_refusal_options_(early_refusal) {}

SofiaStack::~SofiaStack() {
  stop();
  if (wake_fd_ >= 0) close(wake_fd_);
}

absl::Status SofiaStack::start(const SipOptions& options, SipPort::Sink sink) {
  if (nua_) return absl::FailedPreconditionError("SIP: already started");
  if (!options.udp && !options.tcp) return absl::InvalidArgumentError("SIP: neither udp nor tcp is on");
  if (options.t1 < 1ms || options.t1x64 < options.t1)
    return absl::InvalidArgumentError("SIP: t1 must be at least 1 ms, and t1x64 at least t1");
  if (options.session_expires > 0ms && options.session_expires < options.min_se)
    return absl::InvalidArgumentError("SIP: session_expires is less than min_se");
  init_library();
  options_ = options;
  sink_ = std::move(sink);
  stopping_ = down_ = false;
  last_enrolment_ = 0;
  if (absl::Status status = start_registrar(); !status.ok()) return status;

  root_ = su_root_create(this);
  if (!root_) return absl::ResourceExhaustedError("SIP: no event loop");
  su_root_threading(root_, 0);
  su_wait_t wait[1] = {SU_WAIT_INIT};
  if (wake_fd_ >= 0 && su_wait_create(wait, wake_fd_, SU_WAIT_IN) == 0)
    wake_index_ = su_root_register(
        root_, wait,
        [](SofiaStack*, su_wait_t*, SofiaStack* self) {
          eventfd_t count;
          eventfd_read(self->wake_fd_, &count);
          return 0;
        },
        this, 0);
  if (wake_index_ < 0) {
    su_root_release(root_);
    stop();
    return absl::ResourceExhaustedError("SIP: no descriptor to wake up by");
  }

  const bool timers = options.session_expires > 0ms;
  const char* supported = timers ? "100rel, timer, replaces" : "100rel, replaces";
  const std::string allow = std::string(kAllow) + (registrar_ ? kAllowToo : "");
  for (int attempt = 0; attempt < 8 && !nua_; ++attempt) {
    const std::uint16_t port = options.port ? options.port : free_port(options);
    std::string url = "sip:" + bracketed(options.listen) + ":" + std::to_string(port);
    if (!options.tcp) url += ";transport=udp";
    if (!options.udp) url += ";transport=tcp";
    nua_ = nua_create(
        root_, on_nua, this, NUTAG_URL(url.c_str()), NUTAG_MEDIA_ENABLE(0), NUTAG_AUTOALERT(0),
        NUTAG_AUTOANSWER(0), NUTAG_AUTOACK(0), NUTAG_AUTO100(0), NUTAG_MAX_RETRY_AFTER(0), NUTAG_AUTO302(0),
        NUTAG_AUTO305(0), NUTAG_SHUTDOWN_EVENTS(0), NUTAG_APPL_METHOD("INFO, UPDATE, REFER"),
        SIPTAG_ALLOW_STR(allow.c_str()), SIPTAG_SUPPORTED_STR(supported),
        SIPTAG_USER_AGENT_STR(options.user_agent.c_str()),
        NUTAG_SESSION_TIMER(timers ? whole_seconds(options.session_expires) : 0),
        NUTAG_MIN_SE(timers ? std::max(1u, whole_seconds(options.min_se)) : 0),
        NTATAG_MCLASS(guarded_message_class()), NTATAG_SIP_T1(static_cast<unsigned>(options.t1.count())),
        NTATAG_SIP_T1X64(static_cast<unsigned>(options.t1x64.count())), NTATAG_MAXSIZE(65'535),
        NTATAG_SERVER_RPORT(1), TPTAG_UDP_RMEM(static_cast<unsigned>(options.receive_buffer)),
        TPTAG_TIMEOUT(10'000), TPTAG_STUN_SERVER(0),  // one is on the port else, and writes to stderr
        TAG_END());
    local_ = {options.listen, port};
    if (options.port) break;
  }
  su_root_release(root_);
  if (!nua_) {
    const std::string where = options.listen + ":" + std::to_string(local_.port);
    stop();
    return absl::UnavailableError("SIP: cannot listen on " + where + why_not(options_));
  }
  absl::Status shedding = start_shedding();
  if (!shedding.ok()) stop();
  return shedding;
}

// The root belongs to the thread that steps it, so that another one may take over between two calls.
class SofiaStack::Turn {
 public:
  Turn(su_root_t* root, RequestGate* gate) : root_(root) {
    su_root_obtain(root_);
    set_request_gate(gate);
  }
  ~Turn() {
    set_request_gate(nullptr);
    su_root_release(root_);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  su_root_t* root_;
};

void SofiaStack::run(Micros wait) {
  if (!nua_) return;
  const Turn turn(root_, early_refusal_ ? this : nullptr);
  for (const sip::Event& event : std::exchange(deferred_, {})) sink_(event);
  tick();
  if (const auto next = next_tick()) wait = std::clamp<Micros>(*next - clock_.now(), 0us, wait);
  // The root counts in milliseconds. Rounded up: a deadline met 1 ms late costs nothing, spinning up to it
  // does.
  const std::int64_t ms = std::clamp<std::int64_t>((wait.count() + 999) / 1000, 0, 60'000);
  su_duration_t left = su_root_step(root_, deferred_.empty() ? static_cast<su_duration_t>(ms) : 0);
  // 0: messages between NUA's two halves, or packets, are waiting. Bounded, so a flood leaves room for the
  // caller.
  for (int step = 0; left == 0 && step < 64; ++step) left = su_root_step(root_, 0);
}

void SofiaStack::tick() {
  const Time now = clock_.now();
  if (registrar_ && !stopping_)
    for (const std::string& user : registrar_->expire(now)) tell_contacts(user);
  for (SofiaEnrolment& each : enrolments_)
    if (const auto request = each.rules.due(now)) send_register(each, *request);
  std::erase_if(enrolments_, [](const SofiaEnrolment& each) { return each.rules.over(); });
}

std::optional<Time> SofiaStack::next_tick() const {
  std::optional<Time> next = registrar_ ? registrar_->deadline() : std::nullopt;
  for (const SofiaEnrolment& each : enrolments_)
    if (const auto due = each.rules.deadline()) next = std::min(next.value_or(*due), *due);
  return next;
}

void SofiaStack::wake() noexcept {
  if (wake_fd_ >= 0) eventfd_write(wake_fd_, 1);
}

void SofiaStack::step_until(Millis limit, bool (SofiaStack::*done)() const) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!(this->*done)() && std::chrono::steady_clock::now() < end) {
    tick();
    su_root_step(root_, 10);
  }
}

void SofiaStack::stop() {
  if (!root_) return;
  su_root_obtain(root_);
  stopping_ = true;
  early_refusal_.reset();
  deferred_.clear();
  if (nua_) {
    std::vector<LegId> ids;
    for (const auto& [id, leg] : legs_) ids.push_back(id);
    for (const LegId id : ids) {
      SofiaLeg& leg = *find(id);
      if (!leg.outbound && leg.state == SofiaLeg::State::early)
        reject(id, 503, "", std::nullopt);
      else if (leg.state == SofiaLeg::State::answered)
        send_bye(leg);
      else
        hang_up(id, "");
    }
    withdraw_all();
    step_until(std::min<Millis>(1500ms, 3 * options_.t1), &SofiaStack::is_done);  // one repetition
    for (SofiaEnrolment& each : enrolments_)
      if (each.handle) nua_handle_destroy(each.handle);
    enrolments_.clear();
    while (!legs_.empty()) end(*legs_.begin()->second);  // a peer that does not answer: its BYE is out
    for (int step = 0; step < 16 && su_root_step(root_, 0) == 0; ++step) {
    }
    nua_shutdown(nua_);
    step_until(400ms, &SofiaStack::is_down);
    // Destroying a stack that has not come down aborts the process. It has no leg left, so it always has; but
    // better a lost stack than a lost process.
    if (!down_) {
      nua_ = nullptr;
      root_ = nullptr;
      return;
    }
    nua_destroy(std::exchange(nua_, nullptr));
  }
  if (wake_index_ >= 0) su_root_deregister(root_, std::exchange(wake_index_, -1));
  su_root_destroy(std::exchange(root_, nullptr));
}

// ---------------------------------------------------------------------------------------- requests

SofiaLeg* SofiaStack::find(LegId id) {
  const auto found = legs_.find(id);
  return found == legs_.end() ? nullptr : found->second.get();
}

SofiaLeg& SofiaStack::open(nua_handle_t* handle) {
  auto leg = std::make_unique<SofiaLeg>();
  leg->id = ++last_leg_;
  leg->stack = this;
  leg->handle = handle;
  leg->ended.leg = leg->id;
  SofiaLeg& there = *leg;
  legs_.emplace(there.id, std::move(leg));
  return there;
}

std::string SofiaStack::far_contact(const std::string& peer_ip, bool tcp) const {
  if (options_.external_ip.empty() || is_near(peer_ip)) return {};
  return "<sip:" + bracketed(options_.external_ip) + ":" + std::to_string(local_.port) +
         (tcp ? ";transport=tcp>" : ">");
}

LegId SofiaStack::invite(const sip::Invite& request) {
  if (!nua_ || stopping_) return 0;
  const auto fail = [&](std::string reason) {
    const LegId id = ++last_leg_;
    deferred_.push_back(sip::Ended{id, 400, std::move(reason), false, {}});
    wake();
    return id;
  };
  su_home_t home[1] = {SU_HOME_INIT(home)};
  const std::string uri = one_line(request.uri);
  const url_t* url = url_make(home, uri.c_str());
  std::string host = url && url->url_host ? url->url_host : "";
  const bool usable = url && url->url_type == url_sip && !host.empty();
  const bool tcp = usable && url->url_params && url_has_param(url, "transport") && [&] {
    char value[8] = "";
    url_param(url->url_params, "transport", value, sizeof value);
    return value[0] == 't' || value[0] == 'T';
  }();
  su_home_deinit(home);
  if (!usable) return fail("'" + request.uri + "' is not a sip: URI");

  std::string from = request.from_uri.empty()
                         ? "sip:ivr@" + bracketed(local_.ip) + ":" + std::to_string(local_.port)
                         : one_line(request.from_uri);
  std::string quoted;
  for (const char c : one_line(request.from_display)) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  from = (quoted.empty() ? "<" : "\"" + quoted + "\" <") + from + ">";
  const std::string to = "<" + uri + ">";
  nua_handle_t* handle = nua_handle(nua_, nullptr, NUTAG_URL(uri.c_str()), SIPTAG_TO_STR(to.c_str()),
                                    SIPTAG_FROM_STR(from.c_str()), TAG_END());
  if (!handle) return fail("'" + request.uri + "' or '" + request.from_uri + "' is not a SIP URI");

  SofiaLeg& leg = open(handle);
  nua_handle_bind(handle, &leg);
  leg.outbound = true;
  leg.contact = far_contact(host, tcp);
  leg.our_uri = from;
  leg.sdp = request.sdp;
  leg.auth_user = request.auth_user;
  leg.auth_password = request.auth_password;
  std::string headers;
  for (const auto& [name, value] : request.headers)
    headers += one_line(name) + ": " + one_line(value) + "\r\n";
  nua_invite(handle, TAG_IF(!leg.contact.empty(), SIPTAG_CONTACT_STR(leg.contact.c_str())),
             TAG_IF(!headers.empty(), SIPTAG_HEADER_STR(headers.c_str())),
             TAG_IF(!leg.sdp.empty(), SIPTAG_CONTENT_TYPE_STR(kSdp)),
             TAG_IF(!leg.sdp.empty(), SIPTAG_PAYLOAD_STR(leg.sdp.c_str())), TAG_END());
  return leg.id;
}

void SofiaStack::ring(LegId id, int status, std::optional<std::string> sdp) {
  SofiaLeg* leg = find(id);
  if (!leg || leg->outbound || leg->state != SofiaLeg::State::early) return;
  status = std::clamp(status, 101, 199);
  leg->rung = true;
  // NUA sends 183 reliably when the peer supports it (RFC 3262). An SDP that went out so is the answer, for
  // good.
  if (sdp && (leg->peer_acks_all || (status == 183 && leg->peer_acks_early))) leg->early_answered = true;
  if (sdp) leg->sdp = std::move(*sdp);
  const char* body = sdp ? leg->sdp.c_str() : nullptr;
  // What we say and hear before the answer is meant to pass (RFC 5009 section 8).
  const bool early = body && leg->peer_allows_early;
  nua_respond(leg->handle, status, sip_status_phrase(status),
              TAG_IF(early, SIPTAG_HEADER_STR("P-Early-Media: sendrecv")),
              TAG_IF(leg->peer_acks_early, NUTAG_APPL_METHOD("PRACK")),
              TAG_IF(!leg->contact.empty(), SIPTAG_CONTACT_STR(leg->contact.c_str())),
              TAG_IF(body, SIPTAG_CONTENT_TYPE_STR(kSdp)), TAG_IF(body, SIPTAG_PAYLOAD_STR(body)), TAG_END());
}

void SofiaStack::answer(LegId id, std::string sdp) {
  SofiaLeg* leg = find(id);
  if (!leg || leg->outbound || leg->state != SofiaLeg::State::early) return;
  leg->state = SofiaLeg::State::answered;
  if (!leg->early_answered) leg->sdp = std::move(sdp);
  const bool body = !leg->early_answered;
  // A session timer needs somebody who refreshes: us, by UPDATE, when the peer takes that; else the peer.
  const bool timed = leg->peer_updates || leg->peer_times;
  nua_respond(leg->handle, SIP_200_OK, NUTAG_UPDATE_REFRESH(leg->peer_updates),
              TAG_IF(!timed, NUTAG_SESSION_TIMER(0)),
              TAG_IF(!leg->contact.empty(), SIPTAG_CONTACT_STR(leg->contact.c_str())),
              TAG_IF(body, SIPTAG_CONTENT_TYPE_STR(kSdp)), TAG_IF(body, SIPTAG_PAYLOAD_STR(leg->sdp.c_str())),
              TAG_END());
}

void SofiaStack::reject(LegId id, int status, std::string reason, std::optional<Millis> retry_after) {
  SofiaLeg* leg = find(id);
  if (!leg || leg->outbound || leg->state != SofiaLeg::State::early) return;
  leg->state = SofiaLeg::State::ending;
  if (status < 300 || status > 699) status = 480;
  const char* standard = sip_status_phrase(status);
  leg->phrase = !reason.empty() ? one_line(reason) : standard ? standard : "Refused";
  leg->ended.status = status;
  leg->ended.reason = leg->phrase;
  leg->ended.by_peer = false;
  const std::string seconds = retry_after ? std::to_string(whole_seconds(*retry_after)) : "";
  nua_respond(leg->handle, status, leg->phrase.c_str(),
              TAG_IF(retry_after, SIPTAG_RETRY_AFTER_STR(seconds.c_str())), TAG_END());
}

void SofiaStack::send_offer(SofiaLeg& leg) {
  leg.offering = true;
  leg.offer_waits = false;
  nua_invite(leg.handle, TAG_IF(!leg.contact.empty(), SIPTAG_CONTACT_STR(leg.contact.c_str())),
             SIPTAG_CONTENT_TYPE_STR(kSdp), SIPTAG_PAYLOAD_STR(leg.own_offer.c_str()), TAG_END());
}

void SofiaStack::offer(LegId id, std::string sdp) {
  SofiaLeg* leg = find(id);
  if (!leg || leg->state != SofiaLeg::State::up || leg->offering || leg->offer_waits) return;
  leg->glares = 0;
  leg->own_offer = std::move(sdp);
  send_offer(*leg);
}

void SofiaStack::accept_offer(LegId id, std::string sdp) {
  SofiaLeg* leg = find(id);
  if (!leg || leg->state == SofiaLeg::State::ending) return;
  leg->sdp = std::move(sdp);
  const char* body = leg->sdp.c_str();
  if (leg->request) {
    nua_respond(leg->handle, SIP_200_OK, NUTAG_WITH(leg->request),
                TAG_IF(!leg->contact.empty(), SIPTAG_CONTACT_STR(leg->contact.c_str())),
                SIPTAG_CONTENT_TYPE_STR(kSdp), SIPTAG_PAYLOAD_STR(body), TAG_END());
    msg_destroy(std::exchange(leg->request, nullptr));
  } else if (leg->reoffered) {
    leg->reoffered = false;
    nua_respond(leg->handle, SIP_200_OK,
                TAG_IF(!leg->contact.empty(), SIPTAG_CONTACT_STR(leg->contact.c_str())),
                SIPTAG_CONTENT_TYPE_STR(kSdp), SIPTAG_PAYLOAD_STR(body), TAG_END());
  }
}

void SofiaStack::refuse_offer(LegId id, int status) {
  SofiaLeg* leg = find(id);
  if (!leg || leg->state == SofiaLeg::State::ending) return;
  if (status < 300 || status > 699) status = 488;
  const char* phrase = sip_status_phrase(status);
  if (!phrase) phrase = "Refused";
  if (leg->request) {
    nua_respond(leg->handle, status, phrase, NUTAG_WITH(leg->request), TAG_END());
    msg_destroy(std::exchange(leg->request, nullptr));
  } else if (leg->reoffered) {
    leg->reoffered = leg->we_offered = false;
    nua_respond(leg->handle, status, phrase, TAG_END());
  }
}

// A CANCEL ends a call after 64*T1 whether or not anybody answers (RFC 3261 section 9.1), a BYE likewise.
void SofiaStack::give_up_later(SofiaLeg& leg) {
  if (!leg.timer) leg.timer = su_timer_create(su_root_task(root_), 0);
  su_timer_set_interval(
      leg.timer, [](SofiaStack*, su_timer_t*, SofiaLeg* silent) { silent->stack->end(*silent); }, &leg,
      static_cast<su_duration_t>(options_.t1x64.count()));
}

// NUA sends one request of a dialog after the other: a BYE waits for the answer to our REFER.
void SofiaStack::send_bye(SofiaLeg& leg) {
  leg.state = SofiaLeg::State::ending;
  give_up_later(leg);
  nua_bye(leg.handle, TAG_IF(!leg.phrase.empty(), SIPTAG_REASON_STR(leg.phrase.c_str())), TAG_END());
}

void SofiaStack::hang_up(LegId id, std::string reason) {
  SofiaLeg* leg = find(id);
  if (!leg || leg->state == SofiaLeg::State::ending || leg->bye_when_acked) return;
  leg->ended.by_peer = false;
  leg->ended.reason = reason;
  switch (leg->state) {
    case SofiaLeg::State::early:
      if (!leg->outbound) return reject(id, 480, std::move(reason), std::nullopt);
      leg->state = SofiaLeg::State::ending;
      leg->ended.status = 487;
      give_up_later(*leg);
      nua_cancel(leg->handle, TAG_END());
      return;
    case SofiaLeg::State::answered:
      // No BYE before the ACK, or before the wait for it has ended (RFC 3261 section 15).
      leg->bye_when_acked = true;
      return;
    case SofiaLeg::State::up:
      if (!reason.empty()) {
        std::string text;
        for (const char c : one_line(reason)) text += c == '"' || c == '\\' ? '\'' : c;
        leg->phrase = "SIP;cause=200;text=\"" + text + "\"";
      }
      send_bye(*leg);
      return;
    case SofiaLeg::State::ending: return;
  }
}

// The leg is gone for everybody after this; the handle is NUA's to finish.
void SofiaStack::end(SofiaLeg& leg) {
  nua_handle_bind(leg.handle, nullptr);
  nua_handle_destroy(leg.handle);
  const auto found = legs_.find(leg.id);
  const std::unique_ptr<SofiaLeg> gone = std::move(found->second);
  legs_.erase(found);
  if (!stopping_) sink_(gone->ended);
}

}  // namespace ivr
