// The vfio-user messages, as the client writes and reads them: every field at its offset in the
// specification's tables (docs/interop/vfio-user.rst of QEMU), and no structure. The server in
// models/pcie/vfio_user has its own, independent transcription; a mistake in one of the two shows as soon as
// they talk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace rdu::user::wire {

// Command numbers.
inline constexpr uint16_t kVersion = 1;
inline constexpr uint16_t kDmaMap = 2;
inline constexpr uint16_t kDmaUnmap = 3;
inline constexpr uint16_t kDeviceGetInfo = 4;
inline constexpr uint16_t kDeviceGetRegionInfo = 5;
inline constexpr uint16_t kDeviceGetIrqInfo = 7;
inline constexpr uint16_t kDeviceSetIrqs = 8;
inline constexpr uint16_t kRegionRead = 9;
inline constexpr uint16_t kRegionWrite = 10;
inline constexpr uint16_t kDmaRead = 11;
inline constexpr uint16_t kDmaWrite = 12;
inline constexpr uint16_t kDeviceReset = 13;

// Header: message id (2 bytes), command (2), size of the whole message (4), flags (4), error (4).
inline constexpr size_t kHeaderSize = 16;
inline constexpr uint32_t kFlagTypeMask = 0xf;
inline constexpr uint32_t kFlagReply = 0x1;
inline constexpr uint32_t kFlagNoReply = 0x10;
inline constexpr uint32_t kFlagError = 0x20;

// Flag bits of the payloads.
inline constexpr uint32_t kDmaReadable = 0x1;
inline constexpr uint32_t kDmaWriteable = 0x2;
inline constexpr uint32_t kUnmapAll = 0x2;
inline constexpr uint32_t kDeviceCanReset = 0x1;
inline constexpr uint32_t kDeviceIsPci = 0x2;
inline constexpr uint32_t kRegionReadable = 0x1;
inline constexpr uint32_t kRegionWriteable = 0x2;
inline constexpr uint32_t kRegionMappable = 0x4;
inline constexpr uint32_t kRegionHasCaps = 0x8;
inline constexpr uint16_t kCapSparseMmap = 1;
inline constexpr uint32_t kIrqEventfd = 0x1;
inline constexpr uint32_t kIrqMaskable = 0x2;
inline constexpr uint32_t kIrqAutomasked = 0x4;
inline constexpr uint32_t kIrqNoResize = 0x8;
inline constexpr uint32_t kIrqDataNone = 0x01;
inline constexpr uint32_t kIrqDataEventfd = 0x04;
inline constexpr uint32_t kIrqActionMask = 0x08;
inline constexpr uint32_t kIrqActionUnmask = 0x10;
inline constexpr uint32_t kIrqActionTrigger = 0x20;

// Payload sizes of the fixed parts.
inline constexpr size_t kDeviceInfoSize = 16;
inline constexpr size_t kRegionInfoSize = 32;
inline constexpr size_t kIrqInfoSize = 16;
inline constexpr size_t kRegionAccessSize = 16;
inline constexpr size_t kDmaAccessSize = 16;

// A message is built field by field, in the order of the specification's table.
class Writer {
 public:
  Writer& u16(uint16_t value) { return put(value); }
  Writer& u32(uint32_t value) { return put(value); }
  Writer& u64(uint64_t value) { return put(value); }
  Writer& raw(const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
    return *this;
  }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  template <typename T>
  Writer& put(T value) {
    return raw(&value, sizeof value);
  }
  std::vector<uint8_t> bytes_;
};

// Reads fields at offsets; one that does not lie wholly inside makes ok() false and reads as 0.
class Reader {
 public:
  Reader(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint16_t u16(size_t offset) { return get<uint16_t>(offset); }
  uint32_t u32(size_t offset) { return get<uint32_t>(offset); }
  uint64_t u64(size_t offset) { return get<uint64_t>(offset); }
  bool ok() const { return ok_; }

 private:
  template <typename T>
  T get(size_t offset) {
    T value = 0;
    if (offset > size_ || sizeof value > size_ - offset)
      ok_ = false;
    else
      std::memcpy(&value, data_ + offset, sizeof value);
    return value;
  }
  const uint8_t* data_;
  size_t size_;
  bool ok_ = true;
};

}  // namespace rdu::user::wire
