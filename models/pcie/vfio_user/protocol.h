// The vfio-user protocol on the wire, as the server sees it: message header, commands, payloads and flag
// bits.
//
// Written from the protocol's specification (docs/interop/vfio-user.rst of QEMU, which took it over from
// libvfio-user). All numbers are in the byte order of the host, both ends being on the same one. Every
// structure is naturally aligned, so none needs packing; a message in a byte buffer need not be aligned, so
// structures are copied in and out (load()).
//
// The client of this repository (sw/driver/user) has its own, independent transcription: a mistake in one of
// the two makes them fail to understand each other, which is what we want of a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace rdu::pcie::vfio_user::wire {

inline constexpr uint16_t kMajor = 0;
inline constexpr uint16_t kMinor = 0;

enum class Command : uint16_t {
  kVersion = 1,
  kDmaMap = 2,
  kDmaUnmap = 3,
  kGetInfo = 4,
  kGetRegionInfo = 5,
  kGetRegionIoFds = 6,
  kGetIrqInfo = 7,
  kSetIrqs = 8,
  kRegionRead = 9,
  kRegionWrite = 10,
  kDmaRead = 11,   // server to client
  kDmaWrite = 12,  // server to client
  kReset = 13,
  kDirtyPages = 14,  // withdrawn from the specification, known to older peers
  kRegionWriteMulti = 15,
  kDeviceFeature = 16,
  kMigrationRead = 17,
  kMigrationWrite = 18,
};

struct Header {
  uint16_t id;       // chosen by the sender, echoed in the reply
  uint16_t command;  // Command
  uint32_t size;     // of the whole message, this header included
  uint32_t flags;    // kType..., kNoReply, kError
  uint32_t error;    // errno, valid in a reply with kError
};

inline constexpr uint32_t kTypeMask = 0xf;
inline constexpr uint32_t kTypeCommand = 0;
inline constexpr uint32_t kTypeReply = 1;
inline constexpr uint32_t kNoReply = 1u << 4;
inline constexpr uint32_t kError = 1u << 5;

// VERSION: followed by a JSON text that ends with a NUL byte; the text may be absent.
struct Version {
  uint16_t major;
  uint16_t minor;
};

// What holds for a capability that the peer does not mention.
inline constexpr uint64_t kDefaultMaxMessageFds = 1;
inline constexpr uint64_t kDefaultMaxDataTransfer = 1u << 20;
inline constexpr uint64_t kDefaultMaxDmaMaps = 65535;
inline constexpr uint64_t kDefaultPageSizes = 4096;

struct DmaMap {
  uint32_t argsz;
  uint32_t flags;   // kDma...
  uint64_t offset;  // into the file
  uint64_t address;
  uint64_t size;
};

inline constexpr uint32_t kDmaReadable = 1u << 0;
inline constexpr uint32_t kDmaWritable = 1u << 1;
inline constexpr uint32_t kDmaMmap = 1u << 2;  // newer libvfio-user: a file comes along, map it
inline constexpr uint32_t kDmaFileIo = 1u
                                       << 3;  // newer libvfio-user: a file comes along, use pread and pwrite

struct DmaUnmap {
  uint32_t argsz;
  uint32_t flags;  // kUnmap...
  uint64_t address;
  uint64_t size;
};

inline constexpr uint32_t kUnmapDirtyBitmap = 1u << 0;
inline constexpr uint32_t kUnmapAll = 1u << 1;

struct DeviceInfo {
  uint32_t argsz;
  uint32_t flags;  // kDevice...
  uint32_t num_regions;
  uint32_t num_irqs;
};

inline constexpr uint32_t kDeviceReset = 1u << 0;
inline constexpr uint32_t kDevicePci = 1u << 1;

struct RegionInfo {
  uint32_t argsz;
  uint32_t flags;  // kRegion...
  uint32_t index;
  uint32_t cap_offset;  // of the first capability, from the start of this structure
  uint64_t size;
  uint64_t offset;  // for mmap() of the file that comes along
};

inline constexpr uint32_t kRegionRead = 1u << 0;
inline constexpr uint32_t kRegionWrite = 1u << 1;
inline constexpr uint32_t kRegionMmap = 1u << 2;
inline constexpr uint32_t kRegionCaps = 1u << 3;

struct CapabilityHeader {
  uint16_t id;
  uint16_t version;
  uint32_t next;  // offset from the start of RegionInfo, 0 at the end of the list
};

inline constexpr uint16_t kCapabilitySparseMmap = 1;

struct SparseMmap {  // follows its CapabilityHeader, and is followed by count times SparseArea
  uint32_t count;
  uint32_t reserved;
};

struct SparseArea {
  uint64_t offset;
  uint64_t size;
};

struct RegionIoFds {
  uint32_t argsz;
  uint32_t flags;
  uint32_t index;
  uint32_t count;
};

struct IrqInfo {
  uint32_t argsz;
  uint32_t flags;  // kIrq...
  uint32_t index;
  uint32_t count;
};

inline constexpr uint32_t kIrqEventfd = 1u << 0;
inline constexpr uint32_t kIrqMaskable = 1u << 1;
inline constexpr uint32_t kIrqAutomasked = 1u << 2;
inline constexpr uint32_t kIrqNoResize = 1u << 3;

struct IrqSet {  // with kSetDataBool followed by one byte a vector
  uint32_t argsz;
  uint32_t flags;  // one kSetData... and one kSetAction...
  uint32_t index;
  uint32_t start;
  uint32_t count;
};

inline constexpr uint32_t kSetDataNone = 1u << 0;
inline constexpr uint32_t kSetDataBool = 1u << 1;
inline constexpr uint32_t kSetDataEventfd = 1u << 2;
inline constexpr uint32_t kSetDataMask = 0x7;
inline constexpr uint32_t kSetActionMask = 1u << 3;
inline constexpr uint32_t kSetActionUnmask = 1u << 4;
inline constexpr uint32_t kSetActionTrigger = 1u << 5;
inline constexpr uint32_t kSetActionBits = 0x38;

struct RegionAccess {  // REGION_READ, REGION_WRITE; data follows where there is any
  uint64_t offset;
  uint32_t region;
  uint32_t count;
};

struct WriteMulti {  // followed by count times WriteOne; its reply has only this
  uint64_t count;
};

struct WriteOne {
  uint64_t offset;
  uint32_t region;
  uint32_t count;  // at most 8
  uint8_t data[8];
};

struct DmaAccess {  // DMA_READ, DMA_WRITE; data follows where there is any
  uint64_t address;
  uint64_t count;
};

static_assert(sizeof(Header) == 16 && sizeof(Version) == 4 && sizeof(DmaMap) == 32 && sizeof(DmaUnmap) == 24);
static_assert(sizeof(DeviceInfo) == 16 && sizeof(RegionInfo) == 32 && sizeof(RegionIoFds) == 16);
static_assert(sizeof(CapabilityHeader) == 8 && sizeof(SparseMmap) == 8 && sizeof(SparseArea) == 16);
static_assert(sizeof(IrqInfo) == 16 && sizeof(IrqSet) == 20 && sizeof(RegionAccess) == 16);
static_assert(sizeof(WriteMulti) == 8 && sizeof(WriteOne) == 24 && sizeof(DmaAccess) == 16);

// The structure T at `bytes`, which need not be aligned; the caller has checked that it is all there.
template <typename T>
T load(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

template <typename T>
void store(uint8_t* bytes, const T& value) {
  std::memcpy(bytes, &value, sizeof value);
}

}  // namespace rdu::pcie::vfio_user::wire
