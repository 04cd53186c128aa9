#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ivr/ports.hpp"

namespace ivr {

using JournalSlot = std::uint32_t;  // from 1; 0 is none

struct CallJournalOptions {
  int max_calls = 4096;  // 1 KiB of the file each; a file that has more slots keeps them
};

struct OpenCall {
  JournalSlot slot = 0;
  CallRecord record;
};

// The calls that are open right now, in a memory-mapped file of fixed slots: writing one is a few plain
// stores, so it can be done before the 200 is sent without waiting for a disk, and it outlives kill -9. It
// does not outlive the loss of power (the store's committed records do), and it does not replace the store:
// it is what tells the next start which calls the last one never finished writing.
//
// Kept of a record: ids, direction, caller, called, flow and digest, language, recording, started, answered.
// What is longer than its place in the slot is cut at a UTF-8 boundary (SIP Call-ID 248 bytes, tag 128,
// caller and called 96). A record that comes back has status "in_progress".
//
// Thread:   one at a time (control). One process at a time: a second one is refused and told who has it.
// Realtime: open() and close() neither allocate nor call the system; the first store into a page that the
//           kernel is writing back may wait for that, so put the file on a local disk or tmpfs.
class CallJournal {
 public:
  // Creates the file whole, so that a full disk is found here and not at a call.
  static absl::StatusOr<std::unique_ptr<CallJournal>> create(const std::string& path,
                                                             const CallJournalOptions& options = {});
  ~CallJournal();
  CallJournal(const CallJournal&) = delete;
  CallJournal& operator=(const CallJournal&) = delete;

  // The calls that were open when the process before us ended. Their slots stay taken, and come back here
  // after another crash, until close(): call it when the store has committed the record.
  std::vector<OpenCall> recover() const;

  // ResourceExhausted when every slot is taken; InvalidArgument for an id that is empty or over 64 bytes.
  absl::StatusOr<JournalSlot> open(const CallRecord& record) noexcept;
  void close(JournalSlot slot) noexcept;  // 0 and a free slot do nothing

  int open_calls() const noexcept { return taken_; }
  int slots() const noexcept { return slots_; }
  int damaged() const noexcept {
    return damaged_;
  }  // slots of the last process that could not be read; free again

 private:
  struct Slot;
  CallJournal() = default;
  Slot& at(JournalSlot slot) const noexcept;

  std::string path_;
  int fd_ = -1;
  unsigned char* map_ = nullptr;
  std::size_t size_ = 0;
  int slots_ = 0, taken_ = 0, damaged_ = 0;
  std::vector<JournalSlot> free_;       // the next one last
  std::vector<JournalSlot> recovered_;  // taken when we came
};

}  // namespace ivr
