#pragma once
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ivr/ports.hpp"

namespace ivr {

struct PromptLibraryOptions {
  std::string folder = ".";             // of prompt files
  std::string speech_cache;             // folder for rendered speech; empty: memory only
  std::string default_language = "en";  // for text that names none
  std::size_t max_bytes = 64 << 20;     // of clips kept in memory; what plays is kept alive by who plays it
  int max_waiting = 4096;               // clips being made or waiting for it; one more is refused
  Millis recheck = 1s;                  // how soon a changed file is heard
};

struct PromptStats {
  std::uint64_t hits = 0, misses = 0;  // pieces: found in memory, had to be made or waited for
  std::uint64_t rendered = 0;          // clips made
  std::uint64_t reloaded = 0;          // files that changed on disk
  std::uint64_t errors = 0;
  std::uint64_t kept = 0, kept_bytes = 0;
  int waiting = 0;
  std::string last_error;
};

// Where the switchboard gets the clips of prompts.
//
// Thread: control only.
class PromptSource {
 public:
  using Clips =
      absl::StatusOr<std::vector<ClipPtr>>;  // never an empty list: nothing to say is a frame of silence
  struct Ready {
    std::uint64_t ticket = 0;
    PlayId play = 0;
    Clips clips;
  };

  virtual ~PromptSource() = default;

  // At once when everything is in memory, or the first error that is known already; else nothing, and the
  // answer comes from next_ready() with the same ticket and play. The error of a piece names it: path, or
  // text and language.
  virtual std::optional<Clips> request(const Prompts& prompts, Codec codec, std::uint64_t ticket,
                                       PlayId play) = 0;
  // Has them made so that the first caller does not wait; nobody is told.
  virtual void preload(const Prompts& prompts, Codec codec) = 0;
  virtual bool next_ready(Ready& ready) = 0;  // false: nothing there. Call until then
};

// Turns prompts into clips for a codec: text is spoken, brought to its rate and an even loudness; files are
// read from the folder; tones and silence are made. What was made once is kept (the longest unused goes
// first), what is asked for twice at the same time is made once, and a file that changes on disk is read
// again; when the new one cannot be read, the old one stays. Secret text never reaches the cache folder.
//
// Two threads of its own do the work: one speaks, one reads files, so neither waits for the other.
//
// Thread: control only, except that `notify` comes from the workers.
class PromptLibrary final : public PromptSource {
 public:
  // `speech` may be null, then text is refused; it is used from one thread only and must outlive the library.
  // `notify` says that next_ready() has work; it must only wake the control thread.
  PromptLibrary(PromptLibraryOptions options, SpeechPort* speech, std::function<void()> notify);
  ~PromptLibrary() override;  // waits for the piece that is being made; what else waits is forgotten
  PromptLibrary(const PromptLibrary&) = delete;
  PromptLibrary& operator=(const PromptLibrary&) = delete;

  std::optional<Clips> request(const Prompts& prompts, Codec codec, std::uint64_t ticket,
                               PlayId play) override;
  void preload(const Prompts& prompts, Codec codec) override;  // errors are in the stats
  bool next_ready(Ready& ready) override;                      // takes in what was reloaded, too

  PromptStats stats() const;

 private:
  struct Kept {
    std::string key;
    ClipPtr clip;
    bool file = false;
  };
  struct Asked {  // a request that waits for pieces
    std::uint64_t ticket = 0;
    PlayId play = 0;
    bool silent = false;  // preload
    std::vector<ClipPtr> clips;
    std::size_t missing = 0;
    absl::Status error;
  };
  struct Made {  // by a worker
    std::string key;
    absl::StatusOr<ClipPtr> clip;
    enum class Why { asked, reloaded, gone } why = Why::asked;
  };
  class Outbox;
  class SpeechWorker;
  class FileWorker;

  std::optional<Clips> ask(const Prompts& prompts, Codec codec, std::uint64_t ticket, PlayId play,
                           bool silent);
  absl::Status silence(Codec codec, Millis length, std::vector<ClipPtr>& clips);
  void take_in(Made made);
  void keep(const std::string& key, ClipPtr clip, bool file);
  void forget(std::list<Kept>::iterator kept);
  void fail(const absl::Status& error);

  const PromptLibraryOptions options_;
  const std::unique_ptr<Outbox> outbox_;
  const std::unique_ptr<SpeechWorker> speech_;
  const std::unique_ptr<FileWorker> files_;
  std::list<Kept> kept_;  // the last used first
  absl::flat_hash_map<std::string, std::list<Kept>::iterator> by_key_;
  absl::flat_hash_map<std::string, std::vector<std::pair<std::shared_ptr<Asked>, std::size_t>>> waiting_;
  std::list<Ready> ready_;
  std::string key_;  // of the piece at hand, kept for its memory
  PromptStats stats_;
};

}  // namespace ivr
