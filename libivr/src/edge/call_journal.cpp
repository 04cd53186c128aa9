#include "edge/call_journal.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>

namespace ivr {
namespace {

constexpr std::size_t kSlotSize = 1024;
constexpr std::size_t kHeaderSize = 4096;
constexpr std::uint64_t kMagic = 0x314e524a52564931;  // "1IVRJRN1"
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kFree = 0, kTaken = 0x6c6c6143;
constexpr int kMaxSlots = 1 << 20;

struct Header {
  std::uint64_t magic;  // written last when the file is made
  std::uint32_t version, slot_size, slots;
  std::int32_t owner;  // pid; only for the words of an error, the lock is flock's
};

// FNV-1a: finds what the loss of power tore, not what a person forged.
std::uint32_t checksum(std::span<const unsigned char> bytes) noexcept {
  std::uint32_t sum = 2166136261u;
  for (unsigned char byte : bytes) sum = (sum ^ byte) * 16777619u;
  return sum;
}

// At most `limit` bytes, and no half of a character.
std::string_view cut(std::string_view text, std::size_t limit) noexcept {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  // Back over continuation bytes (RFC 3629: 10xxxxxx), at most the three that a character can have.
  while (end > 0 && limit - end < 3 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  if ((static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) end = limit;  // not UTF-8 at all
  return text.substr(0, end);
}

// What is kept of a record, with the room each has. Adding to this changes kVersion.
struct Field {
  std::string CallRecord::*member;
  std::size_t limit;
};
constexpr std::size_t kMaxId = 64;
constexpr Field kFields[] = {
    {&CallRecord::id, kMaxId},      {&CallRecord::sip_call_id, 248}, {&CallRecord::sip_from_tag, 128},
    {&CallRecord::caller, 96},      {&CallRecord::called, 96},       {&CallRecord::flow, 64},
    {&CallRecord::flow_digest, 80}, {&CallRecord::language, 16},     {&CallRecord::recording, 144},
};

std::string errno_words(int number) { return std::generic_category().message(number); }

}  // namespace

struct CallJournal::Slot {
  static constexpr std::size_t kBody = kSlotSize - 12;

  std::atomic<std::uint32_t> state;  // kTaken is stored after everything else, with release
  std::uint32_t sum;
  std::uint32_t length;
  unsigned char body[kBody];

  void fill(const CallRecord& record) noexcept {
    unsigned char* to = body;
    const auto number = [&](std::int64_t value) {
      std::memcpy(to, &value, sizeof value);
      to += sizeof value;
    };
    number(record.started.time_since_epoch().count());
    number(record.answered.time_since_epoch().count());
    *to++ = record.direction == Direction::outbound ? 1 : 0;
    for (const Field& field : kFields) {
      const std::string_view text = cut(record.*field.member, field.limit);
      const auto size = static_cast<std::uint16_t>(text.size());
      std::memcpy(to, &size, sizeof size);
      std::memcpy(to + sizeof size, text.data(), size);
      to += sizeof size + size;
    }
    length = static_cast<std::uint32_t>(to - body);
    sum = checksum({body, length});
  }

  std::optional<CallRecord> read() const {
    if (length > kBody || checksum({body, length}) != sum) return std::nullopt;
    const unsigned char* from = body;
    const unsigned char* const end = body + length;
    CallRecord record;
    std::int64_t times[2];
    if (end - from < static_cast<std::ptrdiff_t>(sizeof times) + 1) return std::nullopt;
    std::memcpy(times, from, sizeof times);
    from += sizeof times;
    record.started = Time{Micros{times[0]}};
    record.answered = Time{Micros{times[1]}};
    record.direction = *from++ ? Direction::outbound : Direction::inbound;
    for (const Field& field : kFields) {
      std::uint16_t size = 0;
      if (end - from < static_cast<std::ptrdiff_t>(sizeof size)) return std::nullopt;
      std::memcpy(&size, from, sizeof size);
      from += sizeof size;
      if (end - from < size) return std::nullopt;
      (record.*field.member).assign(reinterpret_cast<const char*>(from), size);
      from += size;
    }
    record.status = "in_progress";
    return record;
  }
};

CallJournal::Slot& CallJournal::at(JournalSlot slot) const noexcept {
  static_assert(sizeof(Slot) == kSlotSize && std::atomic<std::uint32_t>::is_always_lock_free);
  return *reinterpret_cast<Slot*>(map_ + kHeaderSize + (slot - 1) * kSlotSize);
}

absl::StatusOr<std::unique_ptr<CallJournal>> CallJournal::create(const std::string& path,
                                                                 const CallJournalOptions& options) {
  constexpr std::size_t kRoom = [] {
    std::size_t room = 2 * sizeof(std::int64_t) + 1;
    for (const Field& field : kFields) room += sizeof(std::uint16_t) + field.limit;
    return room;
  }();
  static_assert(kRoom <= Slot::kBody, "the fields of kFields do not fit into a slot");

  if (options.max_calls < 1 || options.max_calls > kMaxSlots) {
    return absl::InvalidArgumentError("call journal: max_calls " + std::to_string(options.max_calls) +
                                      ": 1 to " + std::to_string(kMaxSlots));
  }
  const auto failed = [&](const char* what, int number) {
    const std::string words = path + ": " + what + ": " + errno_words(number);
    if (number == ENOSPC || number == EDQUOT) return absl::ResourceExhaustedError(words);
    return absl::FailedPreconditionError(words);
  };
  std::unique_ptr<CallJournal> journal(new CallJournal);
  journal->path_ = path;
  journal->fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (journal->fd_ < 0) return failed("open call journal", errno);

  if (flock(journal->fd_, LOCK_EX | LOCK_NB) != 0) {
    Header header{};
    const bool read = pread(journal->fd_, &header, sizeof header, 0) == sizeof header && header.owner > 0;
    return absl::FailedPreconditionError(
        path + ": the call journal is in use by " +
        (read ? "process " + std::to_string(header.owner) : "another process"));
  }
  struct stat info {};
  if (fstat(journal->fd_, &info) != 0) return failed("stat call journal", errno);
  Header header{};
  if (info.st_size > 0 && pread(journal->fd_, &header, sizeof header, 0) < 0)
    return failed("read call journal", errno);
  const bool fresh = header.magic == 0;
  if (!fresh && header.magic != kMagic) return absl::FailedPreconditionError(path + ": not a call journal");
  if (!fresh && (header.version != kVersion || header.slot_size != kSlotSize)) {
    return absl::FailedPreconditionError(
        path + ": call journal of version " + std::to_string(header.version) + " with slots of " +
        std::to_string(header.slot_size) + " bytes, this program knows version " + std::to_string(kVersion) +
        " with " + std::to_string(kSlotSize) + "; start the program that wrote it once, or remove the file");
  }
  const std::int64_t had = fresh ? 0 : header.slots;
  if (had > kMaxSlots || (!fresh && info.st_size < static_cast<off_t>(kHeaderSize + had * kSlotSize))) {
    return absl::FailedPreconditionError(path + ": call journal is cut off: " + std::to_string(info.st_size) +
                                         " bytes for " + std::to_string(had) + " slots");
  }
  journal->slots_ = std::max(static_cast<int>(had), options.max_calls);
  journal->size_ = kHeaderSize + static_cast<std::size_t>(journal->slots_) * kSlotSize;
  // Every block is there before the first call: a store into a hole of a full disk would be a SIGBUS.
  if (const int number = posix_fallocate(journal->fd_, 0, static_cast<off_t>(journal->size_)); number != 0) {
    return failed("reserve call journal", number);
  }
  void* map =
      mmap(nullptr, journal->size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, journal->fd_, 0);
  if (map == MAP_FAILED) return failed("map call journal", errno);
  journal->map_ = static_cast<unsigned char*>(map);

  // New slots are zero, which is kFree, so their count may grow before or after a crash alike.
  auto* head = reinterpret_cast<Header*>(journal->map_);
  head->version = kVersion;
  head->slot_size = kSlotSize;
  head->slots = static_cast<std::uint32_t>(journal->slots_);
  head->owner = getpid();
  std::atomic_ref(head->magic).store(kMagic, std::memory_order_release);

  journal->free_.reserve(static_cast<std::size_t>(journal->slots_));
  for (auto slot = static_cast<JournalSlot>(journal->slots_); slot >= 1; --slot) {
    Slot& place = journal->at(slot);
    const std::uint32_t state = place.state.load(std::memory_order_acquire);
    if (state == kTaken && place.read()) {
      journal->recovered_.push_back(slot);
      ++journal->taken_;
      continue;
    }
    if (state != kFree) {
      ++journal->damaged_;
      place.state.store(kFree, std::memory_order_release);
    }
    journal->free_.push_back(slot);
  }
  std::reverse(journal->recovered_.begin(), journal->recovered_.end());
  return journal;
}

CallJournal::~CallJournal() {
  if (map_ != nullptr) munmap(map_, size_);
  if (fd_ >= 0) ::close(fd_);  // and with it the lock
}

std::vector<OpenCall> CallJournal::recover() const {
  std::vector<OpenCall> calls;
  for (JournalSlot slot : recovered_) {
    if (at(slot).state.load(std::memory_order_relaxed) != kTaken) continue;
    if (auto record = at(slot).read()) calls.push_back({slot, std::move(*record)});
  }
  return calls;
}

absl::StatusOr<JournalSlot> CallJournal::open(const CallRecord& record) noexcept {
  if (record.id.empty() || record.id.size() > kMaxId) {
    return absl::InvalidArgumentError("call journal: id of " + std::to_string(record.id.size()) +
                                      " bytes: 1 to " + std::to_string(kMaxId));
  }
  if (free_.empty()) {
    return absl::ResourceExhaustedError(path_ + ": all " + std::to_string(slots_) +
                                        " slots of the call journal are taken");
  }
  const JournalSlot slot = free_.back();
  free_.pop_back();
  Slot& place = at(slot);
  place.fill(record);
  place.state.store(kTaken, std::memory_order_release);
  ++taken_;
  return slot;
}

void CallJournal::close(JournalSlot slot) noexcept {
  if (slot == 0 || slot > static_cast<JournalSlot>(slots_)) return;
  Slot& place = at(slot);
  if (place.state.load(std::memory_order_relaxed) != kTaken) return;
  place.state.store(kFree, std::memory_order_release);
  // The next call's bytes must not be written before this. A killed process leaves what it executed, in
  // order, so only the compiler is to be held.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  // A slot that was recovered and is used again is no longer what recover() speaks of.
  if (const auto found = std::find(recovered_.begin(), recovered_.end(), slot); found != recovered_.end()) {
    recovered_.erase(found);
  }
  free_.push_back(slot);
  --taken_;
}

}  // namespace ivr
