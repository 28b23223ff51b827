#include "mgmt/data_port.h"

#include <algorithm>

namespace rdu::mgmt {

namespace {

constexpr uint64_t kPageMask = 0xfff;

Cause misaligned(Access access) {
  return access == Access::load ? Cause::load_misaligned : Cause::store_misaligned;
}

}  // namespace

DataPort::Result DataPort::locate(uint64_t address, unsigned size, Access access, Place* place) {
  Tables& tables = tables_[static_cast<unsigned>(state_.data_regime())];
  Entry& entry = (access == Access::load ? tables.loads : tables.stores)[index(address)];
  const uint64_t page = address & ~kPageMask;
  if (entry.page == page) {
    *place = {reinterpret_cast<uint8_t*>(entry.bias + address), 0};
    return Result::ok;
  }
  const bool watched = watcher_ && is_watched(page);
  if (watched && !ignore_watcher_ && watcher_->stops(access, address, size)) return Result::stopped;
  const Privilege privilege = state_.data_privilege();
  uint64_t physical = 0;
  if (!mmu_.translate(address, access, privilege, &physical)) {
    trap_ = mmu_.trap();
    return Result::trap;
  }
  const uint64_t frame = physical & ~kPageMask;
  const Pmp::Verdict verdict = mmu_.page_verdict(frame, access, privilege);
  const bool allowed = verdict == Pmp::Verdict::allowed ||
                       (verdict == Pmp::Verdict::mixed && mmu_.allowed(physical, size, access, privilege));
  if (!allowed) return fail(access_fault(access), address);
  uint8_t* memory = bus_.direct(frame, access == Access::store);
  if (memory && verdict == Pmp::Verdict::allowed && !watched) {
    entry = {page, reinterpret_cast<uintptr_t>(memory) - page};
    tables.empty = false;
  }
  *place = {memory ? memory + (address & kPageMask) : nullptr, physical};
  return Result::ok;
}

DataPort::Result DataPort::load(uint64_t address, unsigned size, uint64_t* value) {
  uint8_t data[8] = {};
  Result result = Result::ok;
  if (address % size != 0) {
    result = misaligned_access(Access::load, address, size, data);
  } else {
    Place place{};
    result = locate(address, size, Access::load, &place);
    if (result != Result::ok) return result;
    if (place.host) {
      std::memcpy(data, place.host, size);
    } else {
      result = transaction(Access::load, address, place.physical, size, data);
    }
  }
  std::memcpy(value, data, sizeof *value);
  return result;
}

DataPort::Result DataPort::store(uint64_t address, unsigned size, uint64_t value) {
  uint8_t data[8];
  std::memcpy(data, &value, sizeof data);
  if (address % size != 0) return misaligned_access(Access::store, address, size, data);
  Place place{};
  const Result result = locate(address, size, Access::store, &place);
  if (result != Result::ok) return result;
  if (!place.host) return transaction(Access::store, address, place.physical, size, data);
  std::memcpy(place.host, data, size);
  return Result::ok;
}

DataPort::Result DataPort::transaction(Access access, uint64_t address, uint64_t physical, unsigned size,
                                       uint8_t* data) {
  state_.reservation.valid = false;  // others may store meanwhile
  switch (bus_.access(access == Access::store, physical, size, data)) {
    case BusMaster::Status::ok:
      return Result::bus;
    case BusMaster::Status::aborted:
      return Result::aborted;
    case BusMaster::Status::error:
      break;
  }
  return fail(access_fault(access), address);
}

DataPort::Result DataPort::misaligned_access(Access access, uint64_t address, unsigned size, uint8_t* data) {
  if (!misaligned_) return fail(misaligned(access), address);
  // All bytes must be in memory before the first is written. Devices never take misaligned accesses.
  uint8_t* bytes[8];
  for (unsigned i = 0; i < size; ++i) {
    Place place{};
    const Result result = locate(address + i, 1, access, &place);
    if (result != Result::ok) return result;
    if (!place.host) return fail(misaligned(access), address);
    bytes[i] = place.host;
  }
  for (unsigned i = 0; i < size; ++i) {
    if (access == Access::store) {
      *bytes[i] = data[i];
    } else {
      data[i] = *bytes[i];
    }
  }
  return Result::ok;
}

DataPort::Result DataPort::atomic(uint64_t address, unsigned size, Access access, uint8_t** memory) {
  if (address % size != 0) return fail(misaligned(access), address);
  Place place{};
  const Result result = locate(address, size, access, &place);
  if (result != Result::ok) return result;
  if (!place.host) return fail(access_fault(access), address);
  *memory = place.host;
  return Result::ok;
}

DataPort::Result DataPort::fail(Cause cause, uint64_t address) {
  trap_ = {cause, address};
  return Result::trap;
}

void DataPort::invalidate() {
  std::fill(std::begin(tables_), std::end(tables_), Tables{});
}

void DataPort::invalidate_translations() {
  for (Tables& tables : tables_) {
    if (&tables != &tables_[static_cast<unsigned>(Regime::machine)] && !tables.empty) tables = Tables{};
  }
}

void DataPort::invalidate_translation(uint64_t address) {
  for (Tables& tables : tables_) {
    if (&tables == &tables_[static_cast<unsigned>(Regime::machine)]) continue;
    tables.loads[index(address)] = {};
    tables.stores[index(address)] = {};
  }
}

void DataPort::watch(std::vector<uint64_t> pages, AccessWatcher* watcher) {
  watched_ = std::move(pages);
  watcher_ = watcher;
  invalidate();
}

bool DataPort::is_watched(uint64_t page) const {
  return std::find(watched_.begin(), watched_.end(), page) != watched_.end();
}

}  // namespace rdu::mgmt
