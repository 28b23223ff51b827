// What each message means: the checks of form, the answers that need no device, and the requests to the
// simulation.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "pcie/vfio_user/engine.h"

namespace rdu::pcie::vfio_user::detail {

namespace {

using wire::Command;

// QEMU takes devices of up to 100 regions and 50 interrupt indices.
constexpr uint32_t kMostRegions = 100;
constexpr uint32_t kMostIrqs = 50;

template <typename T>
bool is_exactly(const Message& message) {
  return message.size == sizeof(T);
}

const char* name_of(uint16_t command) {
  switch (static_cast<Command>(command)) {
    case Command::kVersion:
      return "VERSION";
    case Command::kDmaMap:
      return "DMA_MAP";
    case Command::kDmaUnmap:
      return "DMA_UNMAP";
    case Command::kGetInfo:
      return "DEVICE_GET_INFO";
    case Command::kGetRegionInfo:
      return "DEVICE_GET_REGION_INFO";
    case Command::kGetRegionIoFds:
      return "DEVICE_GET_REGION_IO_FDS";
    case Command::kGetIrqInfo:
      return "DEVICE_GET_IRQ_INFO";
    case Command::kSetIrqs:
      return "DEVICE_SET_IRQS";
    case Command::kRegionRead:
      return "REGION_READ";
    case Command::kRegionWrite:
      return "REGION_WRITE";
    case Command::kDmaRead:
      return "DMA_READ";
    case Command::kDmaWrite:
      return "DMA_WRITE";
    case Command::kReset:
      return "DEVICE_RESET";
    case Command::kDirtyPages:
      return "DIRTY_PAGES";
    case Command::kRegionWriteMulti:
      return "REGION_WRITE_MULTI";
    case Command::kDeviceFeature:
      return "DEVICE_FEATURE";
    case Command::kMigrationRead:
      return "MIG_DATA_READ";
    case Command::kMigrationWrite:
      return "MIG_DATA_WRITE";
  }
  return "unknown";
}

// The payload that describes a region: its structure, and the list of areas that can be mapped, if not all of
// it can.
std::vector<uint8_t> describe(uint32_t index, const RegionInfo& region) {
  wire::RegionInfo info = {};
  info.index = index;
  info.size = region.size;
  info.offset = region.fd_offset;
  info.flags = (region.readable ? wire::kRegionRead : 0) | (region.writable ? wire::kRegionWrite : 0) |
               (region.fd >= 0 ? wire::kRegionMmap : 0);
  std::vector<uint8_t> bytes(sizeof info);
  if (!region.areas.empty()) {
    info.flags |= wire::kRegionCaps;
    info.cap_offset = sizeof info;
    const wire::CapabilityHeader header = {wire::kCapabilitySparseMmap, 1, 0};
    const wire::SparseMmap list = {static_cast<uint32_t>(region.areas.size()), 0};
    size_t at = bytes.size();
    bytes.resize(at + sizeof header + sizeof list + region.areas.size() * sizeof(wire::SparseArea));
    wire::store(&bytes[at], header);
    at += sizeof header;
    wire::store(&bytes[at], list);
    at += sizeof list;
    for (const RegionInfo::Area& area : region.areas) {
      wire::store(&bytes[at], wire::SparseArea{area.offset, area.size});
      at += sizeof(wire::SparseArea);
    }
  }
  info.argsz = static_cast<uint32_t>(bytes.size());
  wire::store(bytes.data(), info);
  return bytes;
}

bool one_bit(uint32_t bits) {
  return bits != 0 && (bits & (bits - 1)) == 0;
}

}  // namespace

void Engine::ask_device() {
  info_ = device_.device_info();
  if (info_.num_regions > kMostRegions || info_.num_irqs > kMostIrqs)
    throw std::invalid_argument("a vfio-user device has at most 100 regions and 50 interrupt indices");
  for (uint32_t index = 0; index < info_.num_regions; ++index) {
    const RegionInfo region = device_.region_info(index);
    uint64_t end = 0;
    for (const RegionInfo::Area& area : region.areas) {
      if (region.fd < 0 || area.offset < end || area.size == 0 || area.offset % 4096 || area.size % 4096 ||
          area.offset > region.size || area.size > region.size - area.offset)
        throw std::invalid_argument("region " + std::to_string(index) +
                                    ": the areas to map are not in order");
      end = area.offset + area.size;
    }
    regions_.push_back(region);
    region_replies_.push_back(describe(index, region));
  }
  for (uint32_t index = 0; index < info_.num_irqs; ++index) irq_infos_.push_back(device_.irq_info(index));

  DmaMap::Messenger messenger;
  messenger.read = [this](uint64_t iova, uint8_t* data, size_t size) {
    return call(Command::kDmaRead, iova, data, nullptr, size);
  };
  messenger.write = [this](uint64_t iova, const uint8_t* data, size_t size) {
    return call(Command::kDmaWrite, iova, nullptr, data, size);
  };
  dma_ = std::make_unique<DmaMap>(std::move(messenger), options_.max_dma_windows);
  irqs_ = std::make_unique<IrqVectors>(irq_infos_);
}

// --- arrival
// ---------------------------------------------------------------------------------------------------------

int Engine::refuse(int error, const char* why) {
  why_ = why;
  return error;
}

void Engine::handle(Message& message) {
  if ((message.header.flags & wire::kTypeMask) == wire::kTypeReply) {
    take_answer(message);
    return;
  }
  const auto slot = connection_->open(message.header);
  why_ = "";
  const int error = dispatch(message, slot);
  if (error == 0) return;
  log_client(std::string(name_of(message.header.command)) + " (command " +
             std::to_string(message.header.command) + ") refused: " + why_);
  connection_->fail(*slot, error);
}

void Engine::take_answer(const Message& message) {
  const wire::Header& header = message.header;
  if (!call_.active || call_.done || header.id != call_.id ||
      header.command != static_cast<uint16_t>(call_.command)) {
    log_client("a reply that nobody waits for");
    return;
  }
  call_.done = true;
  call_.error = 0;
  if (header.flags & wire::kError) {
    call_.error = header.error != 0 && header.error < 4096 ? static_cast<int>(header.error) : EIO;
    return;
  }
  if (call_.command == Command::kDmaWrite)
    return;  // the payload, which some clients leave out, says nothing new
  if (message.size != sizeof(wire::DmaAccess) + call_.size) {
    log_client("a reply to DMA_READ of the wrong size");
    call_.error = EPROTO;
    return;
  }
  std::memcpy(call_.in, message.payload + sizeof(wire::DmaAccess), call_.size);
}

int Engine::dispatch(Message& message, const std::shared_ptr<Slot>& slot) {
  const wire::Header& header = message.header;
  const auto command = static_cast<Command>(header.command);
  if ((header.flags & wire::kTypeMask) != wire::kTypeCommand)
    return refuse(EINVAL, "neither a command nor a reply");
  if (header.flags & ~(wire::kTypeMask | wire::kNoReply)) return refuse(EINVAL, "reserved flag bits are set");
  if (message.fds_lost)
    return refuse(EMFILE, "this process has no room for the file descriptors that came along");
  if (message.fds.size() > options_.max_message_fds) return refuse(EINVAL, "too many file descriptors");
  if (!message.fds.empty() && command != Command::kDmaMap && command != Command::kSetIrqs)
    return refuse(EINVAL, "file descriptors with a command that takes none");
  if (!negotiated_ && command != Command::kVersion)
    return refuse(EINVAL, "no version has been negotiated yet");
  switch (command) {
    case Command::kVersion:
      return handle_version(message, *slot);
    case Command::kDmaMap:
      return handle_dma_map(message, slot);
    case Command::kDmaUnmap:
      return handle_dma_unmap(message, slot);
    case Command::kGetInfo:
      return handle_get_info(message, *slot);
    case Command::kGetRegionInfo:
      return handle_region_info(message, *slot);
    case Command::kGetRegionIoFds:
      return handle_region_io_fds(message, *slot);
    case Command::kGetIrqInfo:
      return handle_irq_info(message, *slot);
    case Command::kSetIrqs:
      return handle_set_irqs(message, slot);
    case Command::kRegionRead:
      return handle_region_access(message, slot, false);
    case Command::kRegionWrite:
      return handle_region_access(message, slot, true);
    case Command::kRegionWriteMulti:
      return handle_write_multi(message, slot);
    case Command::kReset:
      if (message.size != 0) return refuse(EINVAL, "wrong size");
      if (!info_.resettable) return refuse(ENOTSUP, "the device cannot be reset");
      queue(make(Request::Kind::kReset, slot));
      return 0;
    case Command::kDmaRead:
    case Command::kDmaWrite:
      return refuse(EINVAL, "only the server sends this");
    case Command::kDirtyPages:
    case Command::kDeviceFeature:
    case Command::kMigrationRead:
    case Command::kMigrationWrite:
      return refuse(ENOTSUP, "the device cannot be migrated");
  }
  return refuse(ENOSYS, "no such command");
}

int Engine::handle_version(const Message& message, Slot& slot) {
  if (negotiated_) return refuse(EINVAL, "a version has been negotiated already");
  Capabilities ours;
  ours.max_message_fds = options_.max_message_fds;
  ours.max_data_transfer = options_.max_data_transfer;
  ours.max_dma_maps = options_.max_dma_windows;
  ours.page_sizes = wire::kDefaultPageSizes;
  ours.write_multiple = true;
  const Negotiated result = negotiate(message.payload, message.size, ours);
  if (result.error != 0) {
    log_client(result.why);
    if (result.final) close_after_replies("no common version");
    return refuse(result.error, "see above");
  }
  accept_session(result.client);
  connection_->finish(slot, result.answer.data(), result.answer.size());
  return 0;
}

// --- information, answered from what the device said at start
// --------------------------------------------------------

int Engine::handle_get_info(const Message& message, Slot& slot) {
  if (!is_exactly<wire::DeviceInfo>(message)) return refuse(EINVAL, "wrong size");
  if (wire::load<wire::DeviceInfo>(message.payload).argsz < sizeof(wire::DeviceInfo))
    return refuse(EINVAL, "argsz is too small");
  wire::DeviceInfo info = {};
  info.argsz = sizeof info;
  info.flags = wire::kDevicePci | (info_.resettable ? wire::kDeviceReset : 0);
  info.num_regions = info_.num_regions;
  info.num_irqs = info_.num_irqs;
  connection_->finish(slot, &info, sizeof info);
  return 0;
}

int Engine::handle_region_info(const Message& message, Slot& slot) {
  if (message.size < sizeof(wire::RegionInfo)) return refuse(EINVAL, "wrong size");
  const auto asked = wire::load<wire::RegionInfo>(message.payload);
  if (asked.argsz < sizeof(wire::RegionInfo)) return refuse(EINVAL, "argsz is too small");
  // Some clients send all the room that they have for the answer.
  if (message.size > asked.argsz) return refuse(EINVAL, "wrong size");
  if (asked.index >= regions_.size()) return refuse(EINVAL, "no such region");
  const std::vector<uint8_t>& full = region_replies_[asked.index];
  // A client that cannot take the list learns from argsz how much room it needs, and asks again. The file
  // comes with the list: libvfio-user's clients have no place for it before.
  const bool fits = asked.argsz >= full.size();
  auto info = wire::load<wire::RegionInfo>(full.data());
  if (!fits) {
    info.flags &= ~wire::kRegionCaps;
    info.cap_offset = 0;
  }
  const int fd = client_.max_message_fds > 0 ? regions_[asked.index].fd : -1;
  if (fd < 0) info.flags &= ~wire::kRegionMmap;
  connection_->finish(slot, &info, sizeof info, full.data() + sizeof info,
                      fits ? full.size() - sizeof info : 0, fits ? fd : -1);
  return 0;
}

int Engine::handle_region_io_fds(const Message& message, Slot& slot) {
  if (!is_exactly<wire::RegionIoFds>(message)) return refuse(EINVAL, "wrong size");
  const auto asked = wire::load<wire::RegionIoFds>(message.payload);
  if (asked.argsz < sizeof asked) return refuse(EINVAL, "argsz is too small");
  if (asked.flags != 0 || asked.count != 0) return refuse(EINVAL, "flags and count must be 0");
  if (asked.index >= regions_.size()) return refuse(EINVAL, "no such region");
  const wire::RegionIoFds none = {sizeof none, 0, asked.index, 0};
  connection_->finish(slot, &none, sizeof none);
  return 0;
}

int Engine::handle_irq_info(const Message& message, Slot& slot) {
  if (!is_exactly<wire::IrqInfo>(message)) return refuse(EINVAL, "wrong size");
  const auto asked = wire::load<wire::IrqInfo>(message.payload);
  if (asked.argsz < sizeof asked) return refuse(EINVAL, "argsz is too small");
  if (asked.index >= irq_infos_.size()) return refuse(EINVAL, "no such interrupt index");
  const IrqInfo& irq = irq_infos_[asked.index];
  wire::IrqInfo info = {sizeof info, wire::kIrqEventfd, asked.index, irq.count};
  if (irq.maskable) info.flags |= wire::kIrqMaskable;
  if (irq.automasked) info.flags |= wire::kIrqAutomasked;
  if (irq.no_resize) info.flags |= wire::kIrqNoResize;
  connection_->finish(slot, &info, sizeof info);
  return 0;
}

// --- what the simulation has to see
// ----------------------------------------------------------------------------------

int Engine::handle_set_irqs(Message& message, const std::shared_ptr<Slot>& slot) {
  if (message.size < sizeof(wire::IrqSet)) return refuse(EINVAL, "wrong size");
  const auto set = wire::load<wire::IrqSet>(message.payload);
  const size_t extra = message.size - sizeof set;
  const uint32_t data = set.flags & wire::kSetDataMask;
  const uint32_t action = set.flags & wire::kSetActionBits;
  if (set.argsz < sizeof set) return refuse(EINVAL, "argsz is too small");
  if (set.flags & ~(wire::kSetDataMask | wire::kSetActionBits)) return refuse(EINVAL, "unknown flags");
  if (!one_bit(data) || !one_bit(action))
    return refuse(EINVAL, "not exactly one kind of data and one action");
  if (set.index >= irq_infos_.size()) return refuse(EINVAL, "no such interrupt index");
  const uint32_t vectors = irq_infos_[set.index].count;
  if (set.start > vectors || set.count > vectors - set.start) return refuse(EINVAL, "no such vectors");
  if (set.count == 0 && (set.start != 0 || data != wire::kSetDataNone || action != wire::kSetActionTrigger))
    return refuse(EINVAL, "no vectors");
  if (extra != (data == wire::kSetDataBool ? set.count : 0)) return refuse(EINVAL, "wrong size");
  if (data == wire::kSetDataEventfd) {
    if (!message.fds.empty() && message.fds.size() != set.count)
      return refuse(EINVAL, "not one eventfd a vector");
  } else if (!message.fds.empty()) {
    return refuse(EINVAL, "file descriptors, but not DATA_EVENTFD");
  }
  Request request = make(Request::Kind::kSetIrqs, slot);
  request.content_.region = set.index;
  request.content_.flags = set.flags;
  request.content_.start = set.start;
  request.content_.size = set.count;
  request.content_.data.assign(message.payload + sizeof set, message.payload + sizeof set + extra);
  request.fds_ = std::move(message.fds);
  queue(std::move(request));
  return 0;
}

int Engine::check_access(uint32_t index, uint64_t offset, uint32_t count, bool write) {
  if (index >= regions_.size()) return refuse(EINVAL, "no such region");
  const RegionInfo& region = regions_[index];
  if (offset > region.size || count > region.size - offset)
    return refuse(EINVAL, "beyond the end of the region");
  if (!(write ? region.writable : region.readable)) return refuse(EACCES, "the region does not allow it");
  return 0;
}

int Engine::handle_region_access(const Message& message, const std::shared_ptr<Slot>& slot, bool write) {
  if (message.size < sizeof(wire::RegionAccess)) return refuse(EINVAL, "wrong size");
  const auto access = wire::load<wire::RegionAccess>(message.payload);
  const uint8_t* data = message.payload + sizeof access;
  const size_t extra = message.size - sizeof access;
  if (access.count > options_.max_data_transfer) return refuse(E2BIG, "more than max_data_xfer_size");
  if (extra != (write ? access.count : 0)) return refuse(EINVAL, "wrong size");
  if (const int error = check_access(access.region, access.offset, access.count, write)) return error;
  if (access.count == 0) {
    connection_->finish(*slot, &access, sizeof access);
    return 0;
  }
  Request request = make(write ? Request::Kind::kRegionWrite : Request::Kind::kRegionRead, slot);
  request.content_.region = access.region;
  request.content_.offset = access.offset;
  request.content_.size = access.count;
  if (write) request.content_.data.assign(data, data + access.count);
  queue(std::move(request));
  return 0;
}

int Engine::handle_write_multi(const Message& message, const std::shared_ptr<Slot>& slot) {
  if (message.size < sizeof(wire::WriteMulti)) return refuse(EINVAL, "wrong size");
  if (!client_.write_multiple) return refuse(EINVAL, "write_multiple has not been negotiated");
  const auto multi = wire::load<wire::WriteMulti>(message.payload);
  const uint8_t* writes = message.payload + sizeof multi;
  const size_t room = message.size - sizeof multi;
  if (room % sizeof(wire::WriteOne) || multi.count != room / sizeof(wire::WriteOne))
    return refuse(EINVAL, "wrong size");
  // All are judged before the first is done.
  for (uint64_t i = 0; i < multi.count; ++i) {
    const auto one = wire::load<wire::WriteOne>(writes + i * sizeof(wire::WriteOne));
    if (one.count == 0 || one.count > sizeof one.data)
      return refuse(EINVAL, "a write of no or of more than 8 bytes");
    if (const int error = check_access(one.region, one.offset, one.count, true)) return error;
  }
  if (multi.count == 0) {
    connection_->finish(*slot, &multi, sizeof multi);
    return 0;
  }
  slot->remaining = multi.count;
  slot->parts = multi.count;
  for (uint64_t i = 0; i < multi.count; ++i) {
    const auto one = wire::load<wire::WriteOne>(writes + i * sizeof(wire::WriteOne));
    Request request = make(Request::Kind::kRegionWrite, slot);
    request.content_.region = one.region;
    request.content_.offset = one.offset;
    request.content_.size = one.count;
    request.content_.data.assign(one.data, one.data + one.count);
    queue(std::move(request));
  }
  return 0;
}

int Engine::handle_dma_map(Message& message, const std::shared_ptr<Slot>& slot) {
  if (!is_exactly<wire::DmaMap>(message)) return refuse(EINVAL, "wrong size");
  const auto map = wire::load<wire::DmaMap>(message.payload);
  if (map.argsz < sizeof map) return refuse(EINVAL, "argsz is too small");
  if (message.fds.size() > 1) return refuse(EINVAL, "more than one file");
  if (map.flags & wire::kDmaFileIo) return refuse(ENOTSUP, "access by pread and pwrite");
  if (map.flags & ~(wire::kDmaReadable | wire::kDmaWritable | wire::kDmaMmap))
    return refuse(EINVAL, "unknown flags");
  if ((map.flags & wire::kDmaMmap) && message.fds.empty()) return refuse(EINVAL, "to be mapped, but no file");
  Request request = make(Request::Kind::kDmaMap, slot);
  request.content_.flags = map.flags;
  request.content_.offset = map.offset;
  request.content_.iova = map.address;
  request.content_.length = map.size;
  request.fds_ = std::move(message.fds);
  queue(std::move(request));
  return 0;
}

int Engine::handle_dma_unmap(const Message& message, const std::shared_ptr<Slot>& slot) {
  if (message.size < sizeof(wire::DmaUnmap)) return refuse(EINVAL, "wrong size");
  const auto unmap = wire::load<wire::DmaUnmap>(message.payload);
  if (unmap.flags == wire::kUnmapDirtyBitmap)
    return refuse(ENOTSUP, "the device keeps no list of dirty pages");
  if (message.size != sizeof unmap) return refuse(EINVAL, "wrong size");
  if (unmap.argsz < sizeof unmap) return refuse(EINVAL, "argsz is too small");
  if (unmap.flags & ~wire::kUnmapAll) return refuse(EINVAL, "unknown flags");
  if ((unmap.flags & wire::kUnmapAll) && (unmap.address != 0 || unmap.size != 0))
    return refuse(EINVAL, "all windows, but with an address or a size");
  Request request = make(Request::Kind::kDmaUnmap, slot);
  request.content_.flags = unmap.flags;
  request.content_.iova = unmap.address;
  request.content_.length = unmap.size;
  queue(std::move(request));
  return 0;
}

// --- execution, by the simulation
// ------------------------------------------------------------------------------------

void Engine::execute(Request& request) {
  int error = 0;
  if (request.kind() == Request::Kind::kRegionRead) {
    uint8_t small[64];
    std::vector<uint8_t> large;
    uint8_t* data = small;
    if (request.size() > sizeof small) {
      large.resize(request.size());
      data = large.data();
    }
    error = device_.region_read(request.region(), request.offset(), data, request.size());
    if (error == 0) request.reply_read(data);
  } else if (request.kind() == Request::Kind::kRegionWrite) {
    error = device_.region_write(request.region(), request.offset(), request.data().data(), request.size());
    if (error == 0) request.reply_done();
  } else {
    error = perform(request);
    if (error == 0) request.reply_done();
  }
  if (error != 0) request.reply_error(error);
}

int Engine::perform(Request& request) {
  const Request::Content& asked = request.content();
  switch (asked.kind) {
    case Request::Kind::kDmaMap: {
      UniqueFd file = request.fds_.empty() ? UniqueFd() : std::move(request.fds_[0]);
      const int error = dma_->map(asked.iova, asked.length, (asked.flags & wire::kDmaReadable) != 0,
                                  (asked.flags & wire::kDmaWritable) != 0, std::move(file), asked.offset);
      if (error == 0) device_.dma_mapped(asked.iova, asked.length);
      return error;
    }
    case Request::Kind::kDmaUnmap: {
      if (asked.flags & wire::kUnmapAll) {
        for (const auto& window : dma_->all())
          device_.dma_unmapping(window.second->iova(), window.second->size());
        dma_->clear();
        return 0;
      }
      const auto window = dma_->all().find(asked.iova);
      if (window == dma_->all().end() || window->second->size() != asked.length) return ENOENT;
      device_.dma_unmapping(asked.iova, asked.length);
      return dma_->unmap(asked.iova, asked.length);
    }
    case Request::Kind::kSetIrqs: {
      const int error =
          irqs_->set(asked.region, asked.flags, asked.start, asked.size, asked.data, std::move(request.fds_));
      if (error == 0) {
        const uint32_t count = asked.size == 0 ? irq_infos_[asked.region].count : asked.size;
        device_.irqs_changed(asked.region, asked.start, count);
      }
      return error;
    }
    case Request::Kind::kReset:
      return device_.reset();
    case Request::Kind::kConnect:
      device_.connected();
      return 0;
    case Request::Kind::kDisconnect:
      device_.disconnected();
      dma_->clear();
      irqs_->clear();
      // The next client gets files of its own.
      for (uint32_t index = 0; index < regions_.size(); ++index)
        if (regions_[index].fd >= 0) regions_[index].fd = device_.region_info(index).fd;
      leaving_.store(false);
      work_->ring();
      return 0;
    case Request::Kind::kRegionRead:
    case Request::Kind::kRegionWrite:
      break;
  }
  return EINVAL;  // a region access is the owner's
}

}  // namespace rdu::pcie::vfio_user::detail
