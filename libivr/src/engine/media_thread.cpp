#include "engine/media_thread.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string>
#include <system_error>
#include <utility>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace ivr {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

// An epoll entry names the stream; its lowest bit says which socket.
constexpr std::uint64_t kRtcp = 1;
constexpr std::uint64_t kShared = 2;  // no stream: the shared port, until it is empty
constexpr auto kStep = std::chrono::milliseconds(1);
constexpr std::size_t kAhead = 2;  // streams whose memory is on its way while one has its turn
constexpr auto kGiveUp =
    std::chrono::milliseconds(200);  // further behind than this, the lost time is not made up

timespec to_timespec(std::chrono::nanoseconds t) noexcept {
  return {static_cast<time_t>(t.count() / 1'000'000'000), static_cast<long>(t.count() % 1'000'000'000)};
}

}  // namespace

MediaThread::MediaThread(const SteadyClock& clock, RecordingWriter& writer, std::atomic<bool>& signalled,
                         std::function<void()> notify)
    : clock_(clock), signalled_(signalled), notify_(std::move(notify)), writer_(writer) {
  scratch_.reserve(256);
  pieces_.reserve(kPieces);
  heard_of_.reserve(kPieces);
  sound_.resize(kSound / 2);
  heard_.reserve(kPieces);
}

MediaThread::~MediaThread() {
  stop();
  if (epoll_ >= 0) ::close(epoll_);
  if (wake_ >= 0) ::close(wake_);
}

void MediaThread::share_port(PortRange::Pair ports, bool guests) {
  port_.emplace(std::move(ports), clock_, guests, [this] { rouse(); });
}

absl::Status MediaThread::start() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = 0;
  if (epoll_ < 0 || wake_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("no epoll or event descriptor for a media thread: ",
                                                     std::generic_category().message(errno)));
  }
  if (port_) {
    event.events = EPOLLIN;
    event.data.u64 = kShared;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, port_->pair().rtp.fd(), &event);
    event.data.u64 |= kRtcp;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, port_->pair().rtcp.fd(), &event);
  }
  thread_ = std::thread([this] { run(); });
  return absl::OkStatus();
}

void MediaThread::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
  thread_.join();
}

void MediaThread::post(MediaCommand&& command) {
  while (!commands_.push(std::move(command))) {
    wake();
    std::this_thread::yield();
  }
  posted_ = true;
}

// Once for all commands of a round: each waking of a thread that sleeps costs more than what it is woken for.
void MediaThread::wake() noexcept {
  if (!std::exchange(posted_, false)) return;
  // Either this exchange comes before the thread's own in sleep(), which then sees the command, or it wakes
  // it.
  rouse();
}

void MediaThread::rouse() noexcept {
  if (!asleep_.exchange(false)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
}

void MediaThread::tell(Notice&& notice) noexcept {
  told_ = true;
  if (!spilled_.empty() || !notices_.push(std::move(notice))) spilled_.push_back(std::move(notice));
}

void MediaThread::write(RecordJob&& job) noexcept {
  if (!unwritten_.empty() || !writer_.post(std::move(job))) unwritten_.push_back(std::move(job));
}

bool MediaThread::flush_jobs() {
  std::size_t moved = 0;
  while (moved < unwritten_.size() && writer_.post(std::move(unwritten_[moved]))) ++moved;
  unwritten_.erase(unwritten_.begin(), unwritten_.begin() + static_cast<std::ptrdiff_t>(moved));
  return unwritten_.empty();
}

void MediaThread::flush_notices() {
  if (!spilled_.empty()) {
    std::size_t moved = 0;
    while (moved < spilled_.size() && notices_.push(std::move(spilled_[moved]))) ++moved;
    spilled_.erase(spilled_.begin(), spilled_.begin() + static_cast<std::ptrdiff_t>(moved));
    if (moved > 0) told_ = true;
  }
  if (!told_) return;
  told_ = false;
  if (!signalled_.exchange(true)) notify_();
}

void MediaThread::listen(MediaStream& stream, const DtmfPiece& piece) noexcept {
  const auto keep = [this](const auto sound) {
    if (sound.empty()) return sound;
    std::int16_t* const at = sound_.data() + sounds_;
    sounds_ += (sound.size_bytes() + 1) / 2;
    std::memcpy(at, sound.data(), sound.size_bytes());
    using Sample = typename decltype(sound)::element_type;
    return std::span<Sample>(reinterpret_cast<Sample*>(at), sound.size());
  };
  const std::size_t needs = piece.pcm.size() + (piece.ulaw.size() + piece.alaw.size() + 1) / 2;
  if (pieces_.size() == kPieces || needs > sound_.size() - sounds_) hear_tones();
  pieces_.push_back({piece.detector, piece.lost, keep(piece.pcm), keep(piece.ulaw), keep(piece.alaw)});
  heard_of_.push_back(&stream);
}

void MediaThread::hear_tones() {
  if (pieces_.empty()) return;
  bank_.process(pieces_, heard_);
  for (const DtmfHeard& heard : heard_) heard_of_[heard.piece]->heard_tone(heard.event);
  heard_.clear();
  pieces_.clear();
  heard_of_.clear();
  sounds_ = 0;
}

void MediaThread::run() {
  prctl(PR_SET_NAME, "ivr-media");
  prctl(PR_SET_TIMERSLACK, 1UL);
  due_ = Steady::now();
  while (!stopping_.load(std::memory_order_relaxed)) {
    send_due();
    take_commands();
    receive_all();
    hear_tones();
    if (port_) port_->send();
    flush_notices();
    if (!unwritten_.empty()) flush_jobs();
    sleep();
  }
  take_commands();  // nothing that was asked for is forgotten
  if (!port_) return;
  port_->send();
  port_->note_numbers();
}

void MediaThread::sleep() {
  if (streams_ > kFewStreams) {
    const timespec at = to_timespec(due_.time_since_epoch());
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {
    }
    return;
  }
  // The next phase that has streams.
  int steps = 0;
  while (steps < kPhases && phases_[static_cast<std::size_t>((phase_ + steps) % kPhases)].empty()) ++steps;
  const auto until = due_ + steps * kStep;
  asleep_.exchange(true);
  if (commands_.size() == 0 && !stopping_.load() && !(port_ && port_->was_handed_something())) {
    auto wait = std::chrono::duration_cast<std::chrono::nanoseconds>(until - Steady::now());
    // Half-empty sockets and unread notices are looked after within the millisecond.
    if (!unfinished_.empty() || !spilled_.empty() || !unwritten_.empty())
      wait = std::min<std::chrono::nanoseconds>(wait, kStep);
    wait = std::max<std::chrono::nanoseconds>(wait, std::chrono::nanoseconds(0));
    const timespec timeout = to_timespec(wait);
    epoll_event none;
    // Edges taken here are lost to receive_all(), so they are handled at once.
    const bool for_ever = streams_ == 0 && spilled_.empty() && unwritten_.empty();
    if (epoll_pwait2(epoll_, &none, 1, for_ever ? nullptr : &timeout, nullptr) == 1) {
      auto* const stream = reinterpret_cast<MediaStream*>(none.data.u64 & ~kRtcp);
      if (stream == nullptr) {
        std::uint64_t count;
        [[maybe_unused]] const auto taken = ::read(wake_, &count, sizeof count);
      } else if ((none.data.u64 & kShared) != 0) {
        // receive_all() is told again
      } else if ((none.data.u64 & kRtcp) != 0) {
        receive_rtcp(stream);
      } else {
        receive(stream, instant());
        hear_tones();
      }
    }
  }
  asleep_.store(false);
}

void MediaThread::send_due() {
  const auto start = Steady::now();
  if (start < due_) return;
  if (start - due_ > kGiveUp) {
    if (streams_ > 0) {  // else nobody waited
      const auto skipped = static_cast<int>(std::min<Steady::rep>((start - due_) / kStep, 1000));
      begun_ += skipped;
      late_ += skipped;
    }
    due_ = start;
  }
  const auto last = start;
  while (due_ <= last) {
    read_phase((phase_ + kLead) % kPhases);
    auto& streams = phases_[static_cast<std::size_t>(phase_)];
    if (!streams.empty()) {
      note_lateness(Steady::now() - due_);
      const Time now = clock_.now();
      for (std::size_t i = 0; i < streams.size(); ++i) {
        if (i + 2 * kAhead < streams.size()) streams[i + 2 * kAhead]->prefetch();
        if (i + kAhead < streams.size()) streams[i + kAhead]->prefetch_play();
        MediaStream* const stream = streams[i];
        stream->tick(now);
        if (stream->polled != (crowded_ && stream->alone()) && !stream->shares_port()) choose_reading(stream);
      }
      hear_tones();
      if (port_) port_->send();
    }
    phase_ = (phase_ + 1) % kPhases;
    due_ += kStep;
  }
}

void MediaThread::note_lateness(Steady::duration behind) {
  ++begun_;
  if (behind > kLate) ++late_;
  if (due_ - counted_ < std::chrono::seconds(1)) return;
  late_per_mille_.store((3 * late_per_mille() + late_ * 1000 / begun_) / 4, std::memory_order_relaxed);
  begun_ = late_ = 0;
  counted_ = due_;
  if (port_) port_->note_numbers();
}

void MediaThread::read_phase(int phase) {
  if (port_) return;
  const Instant at = instant();
  const auto& streams = phases_[static_cast<std::size_t>(phase)];
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (i + kAhead < streams.size()) streams[i + kAhead]->prefetch();
    MediaStream* const stream = streams[i];
    if (stream->polled && !stream->more_waits) receive(stream, at);
  }
  hear_tones();
}

void MediaThread::choose_reading(MediaStream* stream) {
  stream->polled = crowded_ && stream->alone();
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = reinterpret_cast<std::uint64_t>(stream);
  epoll_ctl(epoll_, stream->polled ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, stream->rtp_fd(), &event);
}

void MediaThread::receive_all() {
  // The ones that could not be emptied last time, then all that are new.
  const std::size_t left = unfinished_.size();
  for (std::size_t i = 0; i < left; ++i) unfinished_[i]->more_waits = false;
  for (std::size_t i = 0; i < left; ++i) receive(unfinished_[i], instant());
  unfinished_.erase(unfinished_.begin(), unfinished_.begin() + static_cast<std::ptrdiff_t>(left));
  if (port_) port_->take_forwarded();
  std::array<epoll_event, 256> events;
  for (;;) {
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
    const Instant at = instant();
    for (int i = 0; i < count; ++i) {
      const std::uint64_t data = events[static_cast<std::size_t>(i)].data.u64;
      auto* const stream = reinterpret_cast<MediaStream*>(data & ~kRtcp);
      if (stream == nullptr) {
        std::uint64_t number;
        [[maybe_unused]] const auto taken = ::read(wake_, &number, sizeof number);
      } else if (data == kShared) {
        port_->receive();
      } else if (data == (kShared | kRtcp)) {
        port_->receive_rtcp();
      } else if ((data & kRtcp) != 0) {
        receive_rtcp(stream);
      } else if (!stream->more_waits) {
        receive(stream, at);
      }
    }
    if (count < static_cast<int>(events.size())) return;
  }
}

// What is polled is expected to hold one packet. One that was there the last time already shows that more
// wait.
void MediaThread::receive(MediaStream* stream, const Instant& at) {
  const int most = stream->polled ? 1 : DatagramBatch::kSize;
  for (int left = kMostAtOnce; left > 0; left -= most) {
    const int count = batch_.receive(stream->rtp_fd(), most);
    Micros waited{};
    for (int i = 0; i < count; ++i) {
      waited = batch_.waited(i, at.wall);
      stream->received(batch_.bytes(i), batch_.cut(i), batch_.from(i), at.now - waited);
    }
    if (count < most || (stream->polled && waited < kFrame)) return;
  }
  if (!std::exchange(stream->more_waits, true)) unfinished_.push_back(stream);
}

// A batch and no more: whoever floods RTCP is read when the next datagram comes.
void MediaThread::receive_rtcp(MediaStream* stream) {
  const Time now = clock_.now();
  const int count = batch_.receive(stream->rtcp_fd());
  for (int i = 0; i < count; ++i) stream->received_rtcp(batch_.bytes(i), batch_.cut(i), batch_.from(i), now);
}

void MediaThread::take_commands() {
  MediaCommand command;
  for (std::size_t i = 0; i < kCommands && commands_.pop(command); ++i) handle(command);
}

void MediaThread::handle(MediaCommand& command) {
  MediaStream* const stream = command.stream;
  std::visit(
      Overloaded{
          [](std::monostate) {},
          [&](MediaCommand::Attach&) { attach(stream); },
          [&](MediaCommand::Detach&) {
            take_forwarded();
            stream->leave();
            detach(stream);
            tell({.what = Notice::Detached{stream->id()}});
          },
          [&](MediaCommand::Announce& announce) {
            port_->announce(*stream, announce.address, announce.types);
          },
          [&](MediaCommand::Hold&) {
            port_->hold(*stream);
            tell({.what = Notice::Held{stream->id()}});
          },
          [&](MediaCommand::Route& way) { port_->route(*stream, *way.to); },
          [&](MediaCommand::Forget&) {
            port_->forget(*stream);
            tell({.what = Notice::Held{stream->id()}});
          },
          [&](MediaCommand::SetRemote& set) {
            stream->set_remote(set.remote, std::move(set.codec), clock_.now());
          },
          [&](MediaCommand::Play& play) { stream->play(std::move(play.playing)); },
          [&](MediaCommand::StopPlay& stop_play) { stream->stop_play(stop_play.play); },
          [&](MediaCommand::Dial& dial) { stream->dial(std::move(dial.dialling)); },
          [&](MediaCommand::Equip& equip) { stream->equip(std::move(equip.line), std::move(equip.cutter)); },
          [&](MediaCommand::Bridge& bridge) { stream->bridge(*bridge.peer, bridge.options); },
          [&](MediaCommand::StartRecord& record) { stream->start_record(std::move(record.recording)); },
          [&](MediaCommand::StopRecord& record) { stream->stop_record(record.record); },
          [&](MediaCommand::DetectVoice& detect) { stream->detect_voice(detect.on); },
          [&](MediaCommand::Unbridge&) { stream->unbridge(); },
          [&](MediaCommand::Mute& mute) { stream->mute(mute.on); },
          [&](MediaCommand::HideDigits& hide) { stream->hide_digits(hide.on, std::move(hide.cutters)); },
          [&](MediaCommand::Supervise& supervise) { stream->supervise(supervise.party, supervise.mode); },
          [&](MediaCommand::Close&) {
            take_forwarded();
            stream->end();
            detach(stream);
            if (port_ && port_->owns(*stream)) port_->forget(*stream);
            stream->close_sockets();
            tell({.what = Notice::Released{stream->id()}});
          },
      },
      command.what);
}

// The next command may close a stream that was handed something.
void MediaThread::take_forwarded() {
  if (!port_) return;
  port_->take_forwarded();
  hear_tones();
}

void MediaThread::attach(MediaStream* stream) {
  if (streams_ == 0) due_ = std::max(due_, Steady::now());
  stream->set_host(this);
  if (stream->due == Steady::time_point{}) {
    const auto emptiest = std::min_element(phases_.begin(), phases_.end(),
                                           [](const auto& a, const auto& b) { return a.size() < b.size(); });
    stream->phase = static_cast<int>(emptiest - phases_.begin());
  } else {
    // It comes from another thread, and its packets go on as they would have there.
    if (due_ - stream->due > kGiveUp) stream->due = due_;
    auto steps = std::chrono::round<std::chrono::milliseconds>(stream->due - due_) / kStep;
    for (; steps < 0; steps += kPhases) stream->tick(clock_.now());
    hear_tones();  // the next command may close it
    stream->phase = static_cast<int>((phase_ + steps) % kPhases);
  }
  phases_[static_cast<std::size_t>(stream->phase)].push_back(stream);
  if (++streams_ > kCrowd) crowded_ = true;
  if (stream->shares_port()) {
    port_->attach(*stream);
    return hear_tones();  // the next command may close it
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = reinterpret_cast<std::uint64_t>(stream);
  stream->polled = false;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, stream->rtp_fd(), &event);
  event.data.u64 |= kRtcp;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, stream->rtcp_fd(), &event);
}

void MediaThread::detach(MediaStream* stream) {
  auto& streams = phases_[static_cast<std::size_t>(stream->phase)];
  const auto found = std::find(streams.begin(), streams.end(), stream);
  if (found == streams.end()) return;
  *found = streams.back();
  streams.pop_back();
  stream->due = due_ + (stream->phase - phase_ + kPhases) % kPhases * kStep;
  if (--streams_ < kCrowd * 3 / 4) crowded_ = false;
  if (stream->shares_port()) return port_->detach(*stream);
  std::erase(unfinished_, stream);
  stream->more_waits = false;
  epoll_ctl(epoll_, EPOLL_CTL_DEL, stream->rtp_fd(), nullptr);
  epoll_ctl(epoll_, EPOLL_CTL_DEL, stream->rtcp_fd(), nullptr);
}

}  // namespace ivr
