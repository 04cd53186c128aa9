#include "engine/media.hpp"

#include <algorithm>
#include <deque>
#include <string>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

#if IVR_WITH_ORTP
#include "engine/media_thread.hpp"
#else
#include "engine/no_media.hpp"
#endif

namespace ivr {
namespace {

#if IVR_WITH_ORTP

constexpr std::size_t kClosedKept = 1024;  // streams whose numbers are kept after their end
// Of a thousand milliseconds that are late: in one media thread no more calls there, in each no more at all.
constexpr int kMostLate = 500;
// A thread that is later than that is relieved by one that is half as late or less: each second of one in so
// many of its calls, as its lateness is a mean of some seconds.
constexpr int kReliefShare = 16;
constexpr auto kReliefEvery = 1s;
// Of a port that many share, in bytes: what 4,500 peers send in the 20 ms of a tick, with what the kernel
// counts for a packet, twice over; their reports are fewer.
constexpr int kSharedBuffer = 4 << 20, kSharedReports = 1 << 20;
constexpr auto kPortPatience = 200ms;  // open() waits so long for streams that are closing

// Control's side: who lives where, which ports are taken, and the commands and notices that cross.
class RtpMedia final : public MediaPort {
 public:
  ~RtpMedia() override { stop(); }

  absl::Status start(const MediaOptions& options, std::function<void()> notify) override {
    if (!threads_.empty()) return absl::FailedPreconditionError("media is already started");
    const std::string& shown = options.external_ip.empty() ? options.bind_ip : options.external_ip;
    if (!parse_endpoint(shown, 1)) {
      return absl::InvalidArgumentError(absl::StrCat("external_ip '", shown, "' is not an IPv4 address"));
    }
    if (options.threads < 0 || options.threads > 256) {
      return absl::InvalidArgumentError(
          absl::StrCat("media threads: ", options.threads, " is not within 0 and 256"));
    }
    auto ports = PortRange::create(options.bind_ip, options.port_min, options.port_max);
    if (!ports.ok()) return ports.status();
    ports_.emplace(*std::move(ports));
    options_ = options;
    shown_ip_ = shown;
    local_ip_ = parse_endpoint(shown, 1)->ip;
    notify_ = notify ? std::move(notify) : [] {};
    writer_ = std::make_unique<RecordingWriter>([this] {
      if (!signalled_.exchange(true)) notify_();
    });
    writer_->start();
    stopped_ = false;
    const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    const int wanted = options.threads == 0 ? cores : options.threads;
    for (int i = 0; i < wanted; ++i) {
      auto made = std::make_unique<Home>(clock_, *writer_, signalled_, notify_);
      if (options.shared_ports) {
        auto pair = ports_->take(kSharedBuffer, kSharedReports);
        if (!pair.ok()) {
          threads_.clear();
          writer_.reset();
          return pair.status();
        }
        made->thread.share_port(*std::move(pair), wanted > 1);
      }
      if (absl::Status started = made->thread.start(); !started.ok()) {
        threads_.clear();
        writer_.reset();
        return started;
      }
      threads_.push_back(std::move(made));
    }
    return absl::OkStatus();
  }

  void set_external_ip(const std::string& ip) override {
    const auto shown = parse_endpoint(ip, 1);
    if (!shown) return;
    shown_ip_ = ip;
    local_ip_ = shown->ip;
  }

  absl::StatusOr<Address> open(StreamId id, const StreamOptions& options) override {
    if (threads_.empty()) return absl::FailedPreconditionError("media is not started");
    if (streams_.contains(id))
      return absl::AlreadyExistsError(absl::StrCat("stream ", id, " is open already"));
    Entry entry;
    entry.home = entry.port_of = emptiest();
    if (options_.shared_ports) {
      entry.stream = std::make_unique<MediaStream>(id, options, PortRange::Pair{},
                                                   &threads_[entry.home]->thread.shared_port()->pair());
    } else {
      auto ports = take_ports();
      if (!ports.ok()) return ports.status();
      entry.stream = std::make_unique<MediaStream>(id, options, *std::move(ports));
    }
    entry.symmetric = options.symmetric;
    ++threads_[entry.home]->streams;
    const Address address{shown_ip_, entry.stream->port()};
    post(streams_.emplace(id, std::move(entry)).first->second, MediaCommand::Attach{});
    ++open_;
    return address;
  }

  void set_remote(StreamId id, const RemoteMedia& remote) override {
    Entry* entry = find(id);
    if (entry == nullptr) return;
    entry->event_type = remote.telephone_event_type;
    entry->event_clock_hz = remote.telephone_event_clock_hz;
    std::optional<StreamCodec> codec;
    if (remote.codec != entry->codec || remote.wishes != entry->wishes) {
      codec = StreamCodec::create(remote.codec, remote.wishes);
      if (!codec) return;  // nobody offers what this library does not have
      entry->codec = remote.codec;
      entry->wishes = remote.wishes;
    }
    MediaStream::Remote known;
    const auto endpoint = [](const Address& address) {
      return address.port == 0 ? Endpoint{} : parse_endpoint(address.ip, address.port).value_or(Endpoint{});
    };
    known.address.rtp = endpoint(remote.address);
    known.address.rtcp = endpoint(remote.rtcp);
    if (!known.address.rtcp.usable() && known.address.rtp.usable()) {
      known.address.rtcp = {known.address.rtp.ip, static_cast<std::uint16_t>(known.address.rtp.port + 1)};
    }
    known.address.signalling_ip = parse_endpoint(remote.signalling_ip, 0).value_or(Endpoint{}).ip;
    known.address.local_ip = local_ip_;
    known.address.symmetric = entry->symmetric;
    known.send_type = remote.payload_type;
    known.receive_type = remote.receive_payload_type < 0 ? remote.payload_type : remote.receive_payload_type;
    known.send_event_type = remote.telephone_event_type;
    known.receive_event_type = remote.receive_telephone_event_type < 0 ? remote.telephone_event_type
                                                                       : remote.receive_telephone_event_type;
    known.event_clock_hz = remote.telephone_event_clock_hz;
    known.comfort_noise_type = remote.comfort_noise_type;
    known.send = remote.send;
    known.receive = remote.receive;
    known.address.sorted = options_.shared_ports;
    if (options_.shared_ports) {
      post(entry->port_of,
           {entry->stream.get(),
            MediaCommand::Announce{
                known.address, {known.receive_type, known.receive_event_type, known.comfort_noise_type}}});
    }
    post(*entry, MediaCommand::SetRemote{known, std::move(codec)});
  }

  void play(StreamId id, PlayId play, std::vector<ClipPtr> clips, int loops, Millis from) override {
    Entry* entry = find(id);
    if (entry == nullptr) return;
    post(*entry,
         MediaCommand::Play{std::make_unique<Playing>(play, std::move(clips), std::max(loops, 0), from)});
  }

  void stop_play(StreamId id, PlayId play) override {
    if (Entry* entry = find(id)) post(*entry, MediaCommand::StopPlay{play});
  }

  void send_digits(StreamId id, std::string digits, Millis tone, Millis gap) override {
    Entry* entry = find(id);
    if (entry == nullptr) return;
    auto dialling = std::make_unique<Dialling>();
    tone = std::max<Millis>(tone, 40ms);
    gap = std::max<Millis>(gap, 40ms);
    if (entry->event_type >= 0) {
      TelephoneEventSenderOptions options;
      options.clock_rate_hz = entry->event_clock_hz;
      options.tone = tone;
      options.gap = gap;
      auto sender = TelephoneEventSender::create(options);
      if (sender.ok() && sender->send(digits).ok()) dialling->events.emplace(*std::move(sender));
    } else {
      DtmfTone sound;
      sound.tone = tone;
      sound.pause = gap;
      auto generator = DtmfGenerator::create(sound);
      if (generator.ok() && generator->dial(digits).ok()) dialling->tones.emplace(*std::move(generator));
    }
    // What is no key at all is sent by sending nothing.
    post(*entry, MediaCommand::Dial{std::move(dialling)});
  }

  void start_record(StreamId id, RecordId record, const RecordSpec& spec) override {
    Entry* entry = find(id);
    if (entry == nullptr) return;
    ChunkPool& pool = threads_[entry->home]->thread.chunks();
    pool.grow(spec.both_sides ? 2 : 1);
    auto recording = std::make_unique<Recording>(id, record, spec, pool);
    if (const int lacks = recording->lacks_cutters(); entry->hides_digits) {
      auto cutters = Recording::make_cutters(lacks);
      recording->equip(cutters);
    } else if (lacks > 0) {
      entry->lack_cutters.emplace_back(record, lacks);
    }
    // The file is made first; the writer's mailbox empties itself.
    while (!writer_->post({recording.get(), 0, nullptr, nullptr})) std::this_thread::yield();
    post(*entry, MediaCommand::StartRecord{std::move(recording)});
  }

  void stop_record(StreamId id, RecordId record) override {
    if (Entry* entry = find(id)) post(*entry, MediaCommand::StopRecord{record});
  }

  void detect_voice(StreamId id, bool on) override {
    if (Entry* entry = find(id)) post(*entry, MediaCommand::DetectVoice{on});
  }

  void bridge(StreamId a, StreamId b, const BridgeOptions& options) override {
    Entry* one = find(a);
    Entry* two = find(b);
    if (one == nullptr || two == nullptr || a == b) return;
    if (one->peer != b) {
      part(*one);
      part(*two);
      gather(a, b);
      one->peer = b;
      two->peer = a;
    }
    one->bridge = two->bridge = options;
    connect(a);
  }

  void unbridge(StreamId a, StreamId b) override {
    if (Entry* one = find(a); one != nullptr && one->peer == b && b != 0) part(*one);
  }

  void hide_digits(StreamId id, bool on) override {
    Entry* entry = find(id);
    if (entry == nullptr) return;
    entry->hides_digits = on;
    int lacking = 0;
    if (on) {
      for (const auto& [record, lacks] : entry->lack_cutters) lacking += lacks;
      entry->lack_cutters.clear();
    }
    post(*entry, MediaCommand::HideDigits{on, Recording::make_cutters(lacking)});
  }

  void mute(StreamId id, bool on) override {
    if (Entry* entry = find(id)) post(*entry, MediaCommand::Mute{on});
  }

  void supervise(StreamId id, StreamId party, Supervision mode) override {
    Entry* one = find(id);
    Entry* two = find(party);
    if (one == nullptr) return;
    if (two == nullptr || id == party || mode == Supervision::off) return leave(id, *one);
    if (one->party != party) {
      leave(id, *one);
      gather(party, id);
      one->party = party;
      two->supervisors.push_back(id);
    }
    one->mode = mode;
    connect(id);
  }

  void close(StreamId id) override {
    Entry* entry = find(id);
    if (entry == nullptr) return;
    part(*entry);
    leave(id, *entry);
    while (!entry->supervisors.empty()) {
      const StreamId supervisor = entry->supervisors.back();
      leave(supervisor, streams_.at(supervisor));
    }
    entry->closing = true;
    post_close(*entry);
    ++closing_;
    --open_;
  }

  bool next_event(media::Event& event) override {
    if (take_event(event)) return true;
    relieve();
    wake();
    // From here on a media thread calls notify again; what it told before is seen by the second look.
    signalled_.exchange(false);
    return take_event(event);
  }

  StreamStats stats(StreamId id) override {
    if (const auto found = streams_.find(id); found != streams_.end())
      return found->second.stream->counters().read();
    for (const auto& [closed, stats] : closed_) {
      if (closed == id) return stats;
    }
    return {};
  }

  int open_streams() const override { return open_; }

  SharedPorts shared_ports() const override {
    if (threads_.empty()) return last_ports_;
    SharedPorts all;
    if (!options_.shared_ports) return all;
    for (const auto& home : threads_) {
      const SharedPort& port = *home->thread.shared_port();
      const auto& numbers = port.numbers();
      ++all.pairs;
      all.receive_buffer_asked = kSharedBuffer;
      all.receive_buffer = port.pair().rtp.receive_buffer();
      all.received += numbers.received;
      all.strangers += numbers.strangers;
      all.late += numbers.late;
      all.unread += numbers.unread;
      all.unsent += numbers.unsent;
    }
    return all;
  }

  std::vector<MediaLoad> loads() const override {
    std::vector<MediaLoad> all;
    for (const auto& home : threads_) all.push_back({home->streams, lateness(*home)});
    return all;
  }

  std::optional<std::string> overload() const override {
    if (threads_.empty()) return std::nullopt;
    int least = 1000;
    for (const auto& home : threads_) least = std::min(least, lateness(*home));
    if (least <= kMostLate) return std::nullopt;
    return absl::StrCat("media is late: of the last seconds ", least, " in 1,000 ms began more than ",
                        MediaThread::kLate.count(), " ms after their time, the limit is ", kMostLate);
  }

  void stop() override {
    if (threads_.empty()) return;
    for (auto& home : threads_) home->thread.stop();
    stopped_ = true;
    last_ports_ = shared_ports();
    // The threads are gone: what was theirs is ours, and open recordings are made whole.
    for (auto& [id, entry] : streams_) entry.stream->end();
    for (auto& home : threads_) {
      while (!home->thread.flush_jobs()) std::this_thread::yield();
    }
    writer_->stop();
    collect();
    streams_.clear();
    threads_.clear();
    writer_.reset();
    open_ = closing_ = 0;
    ports_.reset();
  }

 private:
  struct Home {
    Home(const SteadyClock& clock, RecordingWriter& writer, std::atomic<bool>& signalled,
         const std::function<void()>& notify)
        : thread(clock, writer, signalled, notify) {}
    MediaThread thread;
    int streams = 0;
  };
  struct Entry {
    std::unique_ptr<MediaStream> stream;
    std::size_t home = 0;     // the thread it is in, or on its way to,
    std::size_t port_of = 0;  // and that whose port it shares
    int event_type = -1, event_clock_hz = kSampleRateHz;
    Codec codec = Codec::pcmu;  // that the stream has
    CodecWishes wishes;
    bool symmetric = true;
    bool closing = false;
    bool moving = false;                   // on its way to `home`
    std::size_t leaving = 0;               // the thread that it has not left yet
    bool forgotten = false;                // by its port, which will say so
    std::vector<MediaCommand::What> held;  // until it is there
    // Whom it is to be connected with; all who are connected have one home. While one of two is moving the
    // media threads know nothing of it, and connect() tells them when it has arrived.
    StreamId peer = 0;
    BridgeOptions bridge;
    StreamId party = 0;
    Supervision mode = Supervision::off;
    std::vector<StreamId> supervisors;
    bool has_line = false, has_cutter = false;
    bool hides_digits = false;
    std::vector<std::pair<RecordId, int>> lack_cutters;  // recordings, and how many each
  };

  // For all that was posted since the last time.
  void wake() {
    for (auto& home : threads_) home->thread.wake();
  }

  Entry* find(StreamId id) {
    const auto found = streams_.find(id);
    return found == streams_.end() || found->second.closing ? nullptr : &found->second;
  }

  static int lateness(const Home& home) { return home.streams == 0 ? 0 : home.thread.late_per_mille(); }

  // Of the threads that are in time that with the fewest streams; of all, when none is.
  std::size_t emptiest() const {
    const auto load = [](const auto& home) { return std::pair(lateness(*home) > kMostLate, home->streams); };
    const auto best = std::min_element(threads_.begin(), threads_.end(),
                                       [&](const auto& a, const auto& b) { return load(a) < load(b); });
    return static_cast<std::size_t>(best - threads_.begin());
  }

  absl::StatusOr<PortRange::Pair> take_ports() {
    auto ports = ports_->take();
    if (ports.ok() || closing_ == 0) return ports;
    // Ports of streams that were just closed are free within a millisecond.
    wake();
    const auto until = std::chrono::steady_clock::now() + kPortPatience;
    while (!ports.ok() && closing_ > 0 && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
      if (collect()) ports = ports_->take();
    }
    return ports;
  }

  // In a thread whose port it does not use.
  bool is_guest(const Entry& entry) const { return options_.shared_ports && entry.home != entry.port_of; }

  // A guest's port is told first, so that nothing is handed on to a stream that is gone.
  void post_close(Entry& entry) {
    if (entry.moving || !is_guest(entry)) return post(entry, MediaCommand::Close{});
    entry.forgotten = true;
    post(entry.port_of, {entry.stream.get(), MediaCommand::Forget{}});
  }

  void post(Entry& entry, MediaCommand::What what) {
    if (entry.moving) {
      entry.held.push_back(std::move(what));
    } else {
      post(entry.home, {entry.stream.get(), std::move(what)});
    }
  }

  void post(std::size_t home, MediaCommand&& command) { threads_[home]->thread.post(std::move(command)); }

  // Ends its bridge.
  void part(Entry& entry) {
    if (entry.peer == 0) return;
    Entry& other = streams_.at(entry.peer);
    if (!entry.moving && !other.moving) post(entry, MediaCommand::Unbridge{});
    entry.peer = other.peer = 0;
  }

  // Ends its supervision of another.
  void leave(StreamId id, Entry& entry) {
    if (entry.party == 0) return;
    Entry& party = streams_.at(entry.party);
    if (!entry.moving && !party.moving) post(entry, MediaCommand::Supervise{});
    std::erase(party.supervisors, id);
    entry.party = 0;
    entry.mode = Supervision::off;
  }

  // All that are connected with it, itself first.
  std::vector<StreamId> group(StreamId id) const {
    std::vector<StreamId> all{id};
    const auto join = [&](StreamId other) {
      if (other != 0 && std::find(all.begin(), all.end(), other) == all.end()) all.push_back(other);
    };
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Entry& entry = streams_.at(all[i]);
      join(entry.peer);
      join(entry.party);
      for (const StreamId supervisor : entry.supervisors) join(supervisor);
    }
    return all;
  }

  // Brings two groups into one home, that of the larger.
  void gather(StreamId a, StreamId b) {
    std::vector<StreamId> stay = group(a), go = group(b);
    if (go.size() > stay.size()) std::swap(stay, go);
    const std::size_t home = streams_.at(stay.front()).home;
    for (const StreamId id : go) {
      if (Entry& entry = streams_.at(id); entry.home != home) move(entry, home);
    }
  }

  void move(Entry& entry, std::size_t to) {
    if (!entry.moving) {
      entry.leaving = entry.home;
      if (is_guest(entry)) {
        post(entry.port_of, {entry.stream.get(), MediaCommand::Hold{}});
      } else {
        post(entry, MediaCommand::Detach{});
      }
    }
    --threads_[entry.home]->streams;
    ++threads_[to]->streams;
    entry.home = to;
    entry.moving = true;
  }

  // Calls go on in another thread where theirs is late. With shared ports they stay: the thread with the port
  // reads and sends for them anyway.
  void relieve() {
    if (threads_.size() < 2 || options_.shared_ports || clock_.now() < next_relief_) return;
    next_relief_ = clock_.now() + kReliefEvery;
    const auto [in_time, late] =
        std::minmax_element(threads_.begin(), threads_.end(), [](const auto& a, const auto& b) {
          return std::pair(lateness(*a), a->streams) < std::pair(lateness(*b), b->streams);
        });
    if (lateness(**late) <= kMostLate || 2 * lateness(**in_time) > lateness(**late)) return;
    const auto from = static_cast<std::size_t>(late - threads_.begin());
    const auto to = static_cast<std::size_t>(in_time - threads_.begin());
    int left = std::max(1, (*late)->streams / kReliefShare);
    for (auto each = streams_.begin(); each != streams_.end() && left > 0; ++each) {
      if (each->second.home != from || each->second.closing) continue;
      const std::vector<StreamId> together = group(each->first);
      if (std::any_of(together.begin(), together.end(), [&](StreamId s) { return streams_.at(s).moving; }))
        continue;
      for (const StreamId s : together) move(streams_.at(s), to);
      left -= static_cast<int>(together.size());
    }
  }

  // It has left its old thread, and all that it told there was read.
  void arrive(StreamId id) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    Entry& entry = found->second;
    ChunkPool& pool = threads_[entry.home]->thread.chunks();
    entry.stream->move_recordings(pool);
    entry.moving = false;
    post(entry, MediaCommand::Attach{});
    if (is_guest(entry)) {
      post(entry.port_of,
           {entry.stream.get(), MediaCommand::Route{threads_[entry.home]->thread.shared_port()}});
    }
    std::vector<MediaCommand::What> held;
    held.swap(entry.held);
    for (MediaCommand::What& what : held) {
      if (auto* record = std::get_if<MediaCommand::StartRecord>(&what)) record->recording->move_to(pool);
      if (std::holds_alternative<MediaCommand::Close>(what)) return post_close(entry);
      post(entry, std::move(what));
    }
    connect(id);
  }

  // Its port hands nothing on to the thread that it is in any more.
  void on_held(StreamId id) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    Entry& entry = found->second;
    if (entry.forgotten) return post(entry, MediaCommand::Close{});
    post(entry.leaving, {entry.stream.get(), MediaCommand::Detach{}});
  }

  // Tells the media thread how a stream is connected with those that are there, and gives them what it takes.
  void connect(StreamId id) {
    const Entry& entry = streams_.at(id);
    const std::vector<StreamId> all = group(id);
    const bool supervised =
        std::any_of(all.begin(), all.end(), [&](StreamId s) { return streams_.at(s).party != 0; });
    for (const StreamId s : all) {
      Entry& one = streams_.at(s);
      MediaCommand::Equip equip;
      if (supervised && !one.has_line) {
        equip.line = std::make_unique<PlayoutLine>(*PlayoutLine::create());
        one.has_line = true;
      }
      if (one.peer != 0 && !one.bridge.pass_digits && !one.has_cutter) {
        equip.cutter = std::make_unique<KeyCutter>();
        one.has_cutter = true;
      }
      if (equip.line || equip.cutter) post(one, std::move(equip));
    }
    const auto there = [&](StreamId s) -> Entry* {
      Entry* other = s == 0 ? nullptr : find(s);
      return other != nullptr && !other->moving ? other : nullptr;
    };
    if (entry.moving) return;
    const auto supervise_by = [&](Entry& supervisor, Entry& party) {
      post(supervisor, MediaCommand::Supervise{party.stream.get(), supervisor.mode});
    };
    Entry& self = streams_.at(id);
    if (Entry* peer = there(entry.peer)) post(self, MediaCommand::Bridge{peer->stream.get(), entry.bridge});
    if (Entry* party = there(entry.party)) supervise_by(self, *party);
    for (const StreamId s : entry.supervisors) {
      if (Entry* supervisor = there(s)) supervise_by(*supervisor, self);
    }
  }

  void release(StreamId id) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    Entry& entry = found->second;
    closed_.emplace_back(id, entry.stream->counters().read());
    own_.push_back(media::Closed{id, closed_.back().second});
    if (closed_.size() > kClosedKept) closed_.pop_front();
    if (!options_.shared_ports) ports_->give_back(entry.stream->port());
    --threads_[entry.home]->streams;
    --closing_;
    streams_.erase(found);
  }

  // Reads all notices, keeps the events; true when a stream was released.
  bool collect() {
    const int before = closing_;
    Notice notice;
    for (auto& home : threads_) {
      while (home->thread.next(notice)) {
        if (auto* event = std::get_if<media::Event>(&notice.what)) {
          own_.push_back(std::move(*event));
        } else {
          handle(notice);
        }
        notice = {};
      }
    }
    media::RecordEnded ended;
    while (next_ended(ended)) own_.push_back(std::move(ended));
    return closing_ != before;
  }

  bool next_ended(media::RecordEnded& ended) {
    if (!writer_->next(ended)) return false;
    if (const auto found = streams_.find(ended.stream); found != streams_.end())
      std::erase_if(found->second.lack_cutters, [&](const auto& of) { return of.first == ended.record; });
    return true;
  }

  void handle(const Notice& notice) {
    if (const auto* released = std::get_if<Notice::Released>(&notice.what)) release(released->stream);
    if (const auto* detached = std::get_if<Notice::Detached>(&notice.what);
        detached != nullptr && !stopped_) {
      arrive(detached->stream);
    }
    if (const auto* held = std::get_if<Notice::Held>(&notice.what); held != nullptr && !stopped_)
      on_held(held->stream);
  }

  bool take_event(media::Event& event) {
    if (!own_.empty()) {
      event = std::move(own_.front());
      own_.pop_front();
      return true;
    }
    if (media::RecordEnded ended; writer_ && next_ended(ended)) {
      event = std::move(ended);
      return true;
    }
    Notice notice;
    for (std::size_t i = 0; i < threads_.size(); ++i) {
      MediaThread& thread = threads_[(turn_ + i) % threads_.size()]->thread;
      while (thread.next(notice)) {
        if (auto* told = std::get_if<media::Event>(&notice.what)) {
          event = std::move(*told);
          turn_ = (turn_ + i + 1) % threads_.size();
          return true;
        }
        handle(notice);
        notice = {};
      }
    }
    return false;
  }

  SteadyClock clock_;
  MediaOptions options_;
  std::string shown_ip_;
  std::uint32_t local_ip_ = 0;
  std::function<void()> notify_;
  std::atomic<bool> signalled_{false};
  std::optional<PortRange> ports_;
  std::unique_ptr<RecordingWriter> writer_;
  std::vector<std::unique_ptr<Home>> threads_;
  absl::flat_hash_map<StreamId, Entry> streams_;
  std::deque<std::pair<StreamId, StreamStats>> closed_;
  std::deque<media::Event> own_;  // read ahead, or our own
  std::size_t turn_ = 0;
  int open_ = 0, closing_ = 0;
  Time next_relief_{};
  bool stopped_ = false;
  SharedPorts last_ports_;  // of the run that is over
};

#endif

}  // namespace

std::unique_ptr<MediaPort> make_media() {
#if IVR_WITH_ORTP
  return std::make_unique<RtpMedia>();
#else
  return std::make_unique<NoMedia>();
#endif
}

}  // namespace ivr
