#include "edge/sqlite_store.hpp"
#include "ivr/store.hpp"

namespace ivr {

absl::StatusOr<std::unique_ptr<StorePort>> open_store(const std::string& path, StoreAccess access) {
  auto store = SqliteStore::open(path, {.read_only = access == StoreAccess::read});
  if (!store.ok()) return store.status();
  return std::unique_ptr<StorePort>(*std::move(store));
}

}  // namespace ivr
