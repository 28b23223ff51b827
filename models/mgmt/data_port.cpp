#include "mgmt/data_port.h"

#include <algorithm>

namespace rdu::mgmt {

namespace {
constexpr uint64_t kPageMask = 0xfff;
}

uint8_t* DataPort::host(uint64_t address, bool write) {
  Entry& entry = (write ? stores_ : loads_)[index(address)];
  const uint64_t page = address & ~kPageMask;
  if (entry.page != page) {
    uint8_t* memory = bus_.direct(page, write);
    if (!memory) return nullptr;
    entry.page = page;
    entry.bias = reinterpret_cast<uintptr_t>(memory) - page;
  }
  return reinterpret_cast<uint8_t*>(entry.bias + address);
}

DataPort::Result DataPort::load(uint64_t address, unsigned size, uint64_t* value) {
  uint8_t data[8] = {};
  Result result = Result::ok;
  if (address % size != 0) {
    result = misaligned_access(false, address, size, data);
  } else if (const uint8_t* memory = host(address, false)) {
    std::memcpy(data, memory, size);
  } else {
    const BusMaster::Status status = bus_.access(false, address, size, data);
    if (status == BusMaster::Status::error) return fail(false, false, address);
    result = status == BusMaster::Status::ok ? Result::bus : Result::aborted;
  }
  std::memcpy(value, data, sizeof *value);
  return result;
}

DataPort::Result DataPort::store(uint64_t address, unsigned size, uint64_t value) {
  uint8_t data[8];
  std::memcpy(data, &value, sizeof data);
  if (address % size != 0) return misaligned_access(true, address, size, data);
  if (uint8_t* memory = host(address, true)) {
    std::memcpy(memory, data, size);
    return Result::ok;
  }
  const BusMaster::Status status = bus_.access(true, address, size, data);
  if (status == BusMaster::Status::error) return fail(true, false, address);
  return status == BusMaster::Status::ok ? Result::bus : Result::aborted;
}

DataPort::Result DataPort::misaligned_access(bool write, uint64_t address, unsigned size, uint8_t* data) {
  if (!misaligned_) return fail(write, true, address);
  // All bytes must be in memory before the first is written. Devices never take misaligned accesses.
  uint8_t* bytes[8];
  for (unsigned i = 0; i < size; ++i) {
    bytes[i] = host(address + i, write);
    if (!bytes[i]) return fail(write, true, address);
  }
  for (unsigned i = 0; i < size; ++i) {
    if (write) {
      *bytes[i] = data[i];
    } else {
      data[i] = *bytes[i];
    }
  }
  return Result::ok;
}

uint8_t* DataPort::atomic(uint64_t address, unsigned size, bool write) {
  if (address % size != 0) {
    fail(write, true, address);
    return nullptr;
  }
  uint8_t* memory = host(address, write);
  if (!memory) fail(write, false, address);
  return memory;
}

DataPort::Result DataPort::fail(bool write, bool misaligned, uint64_t address) {
  if (misaligned) {
    trap_ = {write ? Cause::store_misaligned : Cause::load_misaligned, address};
  } else {
    trap_ = {write ? Cause::store_access : Cause::load_access, address};
  }
  return Result::trap;
}

void DataPort::invalidate() {
  std::fill(std::begin(loads_), std::end(loads_), Entry{});
  std::fill(std::begin(stores_), std::end(stores_), Entry{});
}

}  // namespace rdu::mgmt
