/* Each call of rdu_ioctl.h: success and every error that it promises. */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define HBM (64ull << 20)
#define DDR (32ull << 20)

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

static void info(void) {
  const int file = open_device();
  struct rdu_identify identify, part;
  struct rdu_ioc_info info = {.identify_bytes = sizeof identify, .identify = (uintptr_t)&identify};
  EXPECT(call(file, RDU_IOC_INFO, &info), 0);
  CHECK(info.uapi_version == RDU_UAPI_VERSION);
  CHECK(info.identify_bytes == sizeof identify);
  CHECK(info.max_entries >= 32 && info.index == 0 && info.serial != 0);
  CHECK(identify.abi_version == RDU_ABI_VERSION && identify.hbm_bytes > HBM && identify.model[0] != 0);
  const uint64_t before = info.time_ns;

  memset(&part, 0xff, sizeof part);
  info = (struct rdu_ioc_info){.identify_bytes = 8, .identify = (uintptr_t)&part};
  EXPECT(call(file, RDU_IOC_INFO, &info), 0);
  CHECK(info.identify_bytes == sizeof identify && info.time_ns >= before);
  CHECK(memcmp(&part, &identify, 8) == 0 && part.hbm_bytes == ~0ull);

  info = (struct rdu_ioc_info){.reserved = 1};
  EXPECT(call(file, RDU_IOC_INFO, &info), EINVAL);
  info = (struct rdu_ioc_info){.identify_bytes = 8, .identify = 8};
  EXPECT(call(file, RDU_IOC_INFO, &info), EFAULT);
  EXPECT(call(file, RDU_IOC_INFO, NULL), EFAULT);
  EXPECT(call(file, _IO(RDU_IOC_MAGIC, 0x7f), NULL), ENOTTY);
  EXPECT(call(file, _IO(RDU_IOC_MAGIC, 0x8a), NULL), ENOTTY);
  EXPECT(call(file, _IOWR(RDU_IOC_MAGIC, 0x80, char), &info), ENOTTY);
  EXPECT(call(file, _IOWR('S', 0x80, struct rdu_ioc_info), &info), ENOTTY);
  char byte;
  CHECK(read(file, &byte, 1) == -1 && errno == EINVAL);
  CHECK(write(file, &byte, 1) == -1 && errno == EINVAL);
  close(file);
}

static void contexts(void) {
  int files[RDU_MAX_CONTEXTS];
  uint32_t context, others;
  const int file = open_device();
  struct rdu_ioc_context args = {.hbm_bytes = PAGE, .reserved = 1};
  EXPECT(call(file, RDU_IOC_CONTEXT, &args), EINVAL);
  EXPECT(make_context(file, ~0ull, 0, NULL), ENOMEM);
  EXPECT(make_context(file, 1ull << 60, 0, NULL), ENOMEM);
  EXPECT(make_context(file, 0, 1ull << 60, NULL), ENOMEM);
  EXPECT(make_context(file, HBM, DDR, &context), 0);
  CHECK(context > 0 && context < RDU_MAX_CONTEXTS);
  EXPECT(make_context(file, HBM, DDR, NULL), EEXIST);

  uint32_t opened = 0;
  for (;; ++opened) {
    CHECK(opened < RDU_MAX_CONTEXTS);
    files[opened] = open_device();
    const int error = make_context(files[opened], opened, 0, &others);
    if (error != 0) {
      EXPECT(error, ENOSPC);
      break;
    }
    CHECK(others != context);
  }
  CHECK(opened == RDU_MAX_CONTEXTS - 2); /* context 0 is the firmware's, one is ours */
  for (uint32_t i = 0; i <= opened; ++i) close(files[i]);
  close(file);
}

static void memory(void) {
  const int file = open_device();
  struct rdu_ioc_memory object, other;
  uint8_t* const pages = host_pages(4 * PAGE);

  EXPECT(make_memory(file, RDU_MEMORY_HBM, PAGE, NULL, &object), ENXIO);
  EXPECT(free_memory(file, 1), ENOENT);
  EXPECT(make_context(file, HBM, 0, NULL), 0);

  EXPECT(make_memory(file, 0, PAGE, NULL, &object), EINVAL);
  EXPECT(make_memory(file, 4, PAGE, NULL, &object), EINVAL);
  EXPECT(make_memory(file, RDU_MEMORY_HBM, 0, NULL, &object), EINVAL);
  EXPECT(make_memory(file, RDU_MEMORY_HBM, PAGE, pages, &object), EINVAL);
  EXPECT(make_memory(file, RDU_MEMORY_HOST, PAGE, pages + 8, &object), EINVAL);
  EXPECT(make_memory(file, RDU_MEMORY_HOST, 100, pages, &object), EINVAL);
  object = (struct rdu_ioc_memory){.type = RDU_MEMORY_HBM, .bytes = PAGE, .flags = 1};
  EXPECT(call(file, RDU_IOC_MEMORY, &object), EINVAL);
  object = (struct rdu_ioc_memory){.type = RDU_MEMORY_HBM, .bytes = PAGE, .reserved = 1};
  EXPECT(call(file, RDU_IOC_MEMORY, &object), EINVAL);
  EXPECT(call(file, RDU_IOC_MEMORY, (void*)8), EFAULT);

  /* Device memory: all of the segment and not a page more; ranges do not overlap. */
  EXPECT(make_memory(file, RDU_MEMORY_DDR, 1, NULL, &object), ENOMEM); /* the context has none */
  EXPECT(make_memory(file, RDU_MEMORY_HBM, HBM + 1, NULL, &object), ENOMEM);
  EXPECT(make_memory(file, RDU_MEMORY_HBM, ~0ull, NULL, &object), ENOMEM);
  EXPECT(make_memory(file, RDU_MEMORY_HBM, HBM, NULL, &object), 0);
  CHECK(object.address == RDU_VA(RDU_SEGMENT_HBM, 0) && object.handle >= 1 && object.mmap_offset != 0);
  EXPECT(make_memory(file, RDU_MEMORY_HBM, 1, NULL, &other), ENOMEM);
  EXPECT(free_memory(file, object.handle), 0);
  EXPECT(free_memory(file, object.handle), ENOENT);
  EXPECT(make_memory(file, RDU_MEMORY_HBM, HBM / 2 + 1, NULL, &object), 0);
  EXPECT(make_memory(file, RDU_MEMORY_HBM, HBM / 2 - PAGE, NULL, &other), 0);
  const uint64_t end = object.address + HBM / 2 + PAGE;
  CHECK(other.address >= end || other.address + HBM / 2 - PAGE <= object.address);
  EXPECT(free_memory(file, other.handle), 0);
  EXPECT(free_memory(file, object.handle), 0);
  struct rdu_ioc_handle bad = {.handle = 1, .reserved = 1};
  EXPECT(call(file, RDU_IOC_MEMORY_FREE, &bad), EINVAL);

  /* Host memory */
  EXPECT(make_memory(file, RDU_MEMORY_HOST, 4 * PAGE, pages, &object), 0);
  CHECK(object.address >> RDU_SEGMENT_SHIFT == RDU_SEGMENT_HOST);
  EXPECT(make_memory(file, RDU_MEMORY_HOST, PAGE, pages, &other), 0); /* the same page twice */
  CHECK(other.address != object.address);
  EXPECT(free_memory(file, other.handle), 0);
  EXPECT(free_memory(file, object.handle), 0);
  CHECK(munmap(pages + PAGE, PAGE) == 0);
  EXPECT(make_memory(file, RDU_MEMORY_HOST, 4 * PAGE, pages, &object), EFAULT);
  CHECK(mprotect(pages, PAGE, PROT_READ) == 0);
  EXPECT(make_memory(file, RDU_MEMORY_HOST, PAGE, pages, &object), EFAULT);
  EXPECT(make_memory(file, RDU_MEMORY_HOST, PAGE, (void*)(~0ull - PAGE + 1), &object), EFAULT);
  EXPECT(make_memory(file, RDU_MEMORY_HOST, PAGE, (void*)0xffff888000000000, &object), EFAULT);
  EXPECT(make_memory(file, RDU_MEMORY_HOST, RDU_HOST_TABLE_SPAN * 2, pages, &object), ENOMEM);
  close(file);
}

/* As a user without rights: RLIMIT_MEMLOCK holds, administrative commands are refused. */
static void without_rights(void) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    const struct rlimit limit = {8 * PAGE, 8 * PAGE};
    CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    CHECK(setgid(65534) == 0 && setuid(65534) == 0);
    const int file = open_device();
    struct rdu_ioc_memory a, b;
    uint8_t* const pages = host_pages(16 * PAGE);
    EXPECT(make_context(file, PAGE, 0, NULL), 0);
    EXPECT(make_memory(file, RDU_MEMORY_HOST, 9 * PAGE, pages, &a), ENOMEM);
    EXPECT(make_memory(file, RDU_MEMORY_HOST, 6 * PAGE, pages, &a), 0);
    EXPECT(make_memory(file, RDU_MEMORY_HOST, 3 * PAGE, pages, &b), ENOMEM);
    EXPECT(make_memory(file, RDU_MEMORY_HOST, 2 * PAGE, pages, &b), 0);
    EXPECT(free_memory(file, a.handle), 0);
    EXPECT(make_memory(file, RDU_MEMORY_HOST, 6 * PAGE, pages, &a), 0);
    const uint32_t refused[] = {RDU_ADMIN_SET_THRESHOLD, RDU_ADMIN_INJECT, RDU_ADMIN_FW_ACTIVATE,
                                RDU_ADMIN_FW_WRITE};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; ++i) {
      struct rdu_ioc_admin args = {.opcode = refused[i]};
      EXPECT(call(file, RDU_IOC_ADMIN, &args), EPERM);
    }
    EXPECT(call(file, RDU_IOC_RESET, NULL), EPERM);
    exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void on_signal(int number) {
  (void)number;
}

static void queues(void) {
  const int file = open_device();
  const int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct rdu_completion completions[64];
  struct rdu_sqe commands[64];
  uint32_t queue, other, count;
  uint64_t first, value;

  EXPECT(make_queue(file, 8, -1, &queue), ENXIO);
  EXPECT(make_context(file, HBM, DDR, NULL), 0);
  EXPECT(make_queue(file, 0, -1, &queue), EINVAL);
  EXPECT(make_queue(file, 1, -1, &queue), EINVAL);
  EXPECT(make_queue(file, 24, -1, &queue), EINVAL);
  EXPECT(make_queue(file, 1u << 31, -1, &queue), EINVAL);
  EXPECT(make_queue(file, 8, 9999, &queue), EBADF);
  EXPECT(make_queue(file, 8, file, &queue), EINVAL); /* no eventfd */
  EXPECT(call(file, RDU_IOC_QUEUE, (void*)8), EFAULT);
  EXPECT(free_queue(file, 1), ENOENT);
  EXPECT(make_queue(file, 8, event, &queue), 0);
  uint32_t made = 1;
  for (;; ++made) {
    CHECK(made < 64);
    const int error = make_queue(file, 2, -1, &other);
    if (error != 0) {
      EXPECT(error, ENOSPC);
      break;
    }
  }
  CHECK(made == 15);
  EXPECT(free_queue(file, other = queue + 1), 0);
  EXPECT(free_queue(file, other), ENOENT);

  /* Submissions */
  for (int i = 0; i < 64; ++i) commands[i] = nop();
  count = 1;
  EXPECT(submit(file, 999, commands, &count, 0, NULL), ENOENT);
  count = 0;
  EXPECT(submit(file, queue, commands, &count, 0, NULL), EINVAL);
  count = 1;
  EXPECT(submit(file, queue, (void*)8, &count, 0, NULL), EFAULT);
  commands[0].reserved = 1;
  EXPECT(submit(file, queue, commands, &count, 0, NULL), EINVAL);
  commands[0].reserved = 0;
  count = 1;
  EXPECT(take(file, queue, completions, &count, 0), ETIMEDOUT);
  const uint64_t begin = now_ns();
  EXPECT(take(file, queue, completions, &count, SECOND / 5), ETIMEDOUT);
  CHECK(now_ns() - begin >= SECOND / 5);
  count = 0;
  EXPECT(take(file, queue, completions, &count, 0), EINVAL);
  count = 1;
  EXPECT(take(file, 999, completions, &count, 0), ENOENT);

  /* More than there is room for: what fits. */
  count = 64;
  EXPECT(submit(file, queue, commands, &count, 0, &first), 0);
  CHECK(count == 7 && first == 0);
  count = 1;
  EXPECT(submit(file, queue, commands, &count, 0, NULL), EAGAIN);
  EXPECT(submit(file, queue, commands, &count, SECOND / 5, NULL), EAGAIN);
  struct pollfd wait = {.fd = file, .events = POLLIN};
  CHECK(poll(&wait, 1, 60000) == 1 && wait.revents == POLLIN);
  count = 3;
  EXPECT(take(file, queue, (void*)8, &count, 60 * SECOND), EFAULT); /* and none is lost */
  uint64_t number = 0;
  while (number < 7) {
    count = 3;
    EXPECT(take(file, queue, completions, &count, 60 * SECOND), 0);
    CHECK(count >= 1 && count <= 3);
    for (uint32_t i = 0; i < count; ++i, ++number) {
      CHECK(completions[i].number == number && completions[i].status == RDU_STATUS_OK);
      CHECK(completions[i].opcode == RDU_CMD_NOP && completions[i].end_ns >= completions[i].start_ns);
    }
  }
  wait.revents = 0;
  CHECK(poll(&wait, 1, 0) == 0);
  CHECK(read(event, &value, sizeof value) == sizeof value && value >= 1 && value <= 7);
  count = 64;
  EXPECT(submit(file, queue, commands, &count, 0, &first), 0);
  CHECK(count == 7 && first == 7);
  for (number = 7; number < 14; number += count) {
    count = 64;
    EXPECT(take(file, queue, completions, &count, 60 * SECOND), 0);
  }

  /* The device checks commands: bad ones fail and harm nobody. */
  commands[0].opcode = 0xff;
  CHECK(execute(file, queue, commands[0]) == RDU_STATUS_BAD_OPCODE);
  commands[0] = nop();
  commands[0].context = 99; /* the driver sets the right one */
  CHECK(execute(file, queue, commands[0]) == RDU_STATUS_OK);

  /* A signal ends a wait; a queue that is freed ends it, too. */
  struct sigaction action = {.sa_handler = on_signal};
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  alarm(1);
  count = 1;
  EXPECT(take(file, queue, completions, &count, 60 * SECOND), EINTR);
  alarm(1);
  EXPECT(take(file, queue, completions, &count, RDU_WAIT_FOREVER), EINTR);
  EXPECT(free_queue(file, queue), 0);
  EXPECT(take(file, queue, completions, &count, 0), ENOENT);
  close(file);
  close(event);
}

struct waiter {
  int file;
  uint32_t queue;
  int error;
};

static void* wait_for_completion(void* argument) {
  struct waiter* const waiter = argument;
  struct rdu_completion completion;
  uint32_t count = 1;
  waiter->error = take(waiter->file, waiter->queue, &completion, &count, RDU_WAIT_FOREVER);
  return NULL;
}

static void freed_while_waited_for(void) {
  pthread_t thread;
  struct waiter waiter = {.file = open_device()};
  EXPECT(make_context(waiter.file, PAGE, 0, NULL), 0);
  EXPECT(make_queue(waiter.file, 8, -1, &waiter.queue), 0);
  CHECK(pthread_create(&thread, NULL, wait_for_completion, &waiter) == 0);
  usleep(200000);
  EXPECT(free_queue(waiter.file, waiter.queue), 0);
  CHECK(pthread_join(thread, NULL) == 0);
  EXPECT(waiter.error, ENOENT);
  close(waiter.file);
}

static void copies(void) {
  const int file = open_device();
  struct rdu_ioc_memory host, hbm, ddr;
  const uint64_t bytes = 256 * 1024;
  uint8_t* const pages = host_pages(2 * bytes);
  uint32_t queue;
  EXPECT(make_context(file, HBM, DDR, NULL), 0);
  EXPECT(make_queue(file, 64, -1, &queue), 0);
  EXPECT(make_memory(file, RDU_MEMORY_HOST, 2 * bytes, pages, &host), 0);
  EXPECT(make_memory(file, RDU_MEMORY_HBM, bytes, NULL, &hbm), 0);
  EXPECT(make_memory(file, RDU_MEMORY_DDR, bytes, NULL, &ddr), 0);
  for (uint64_t i = 0; i < bytes; ++i) pages[i] = (uint8_t)(i * 7 + (i >> 12));
  CHECK(execute(file, queue, copy(hbm.address, host.address, bytes)) == RDU_STATUS_OK);
  CHECK(execute(file, queue, copy(ddr.address, hbm.address, bytes)) == RDU_STATUS_OK);
  CHECK(execute(file, queue, copy(host.address + bytes, ddr.address, bytes)) == RDU_STATUS_OK);
  CHECK(memcmp(pages, pages + bytes, bytes) == 0);

  /* Memory that was freed is out of reach. */
  EXPECT(free_memory(file, host.handle), 0);
  CHECK(execute(file, queue, copy(host.address, hbm.address, PAGE)) == RDU_STATUS_COPY_DENIED);
  CHECK(execute(file, queue, copy(hbm.address, host.address, PAGE)) == RDU_STATUS_COPY_DENIED);
  CHECK(memcmp(pages, pages + bytes, bytes) == 0);
  close(file);
}

static void mappings(void) {
  const int file = open_device();
  struct rdu_ioc_memory hbm, ddr, host;
  const uint64_t bytes = 20ull << 20; /* more than a window */
  uint8_t* const pages = host_pages(PAGE);
  uint32_t queue;
  EXPECT(make_context(file, HBM, DDR, NULL), 0);
  EXPECT(make_queue(file, 64, -1, &queue), 0);
  EXPECT(make_memory(file, RDU_MEMORY_HBM, bytes, NULL, &hbm), 0);
  EXPECT(make_memory(file, RDU_MEMORY_DDR, bytes, NULL, &ddr), 0);
  EXPECT(make_memory(file, RDU_MEMORY_HOST, PAGE, pages, &host), 0);
  const uint64_t first = hbm.address;
  const int rw = PROT_READ | PROT_WRITE;
#define NOT_MAPPED(bytes, protection, flags, offset, error)                           \
  do {                                                                                \
    CHECK(mmap(NULL, bytes, protection, flags, file, (off_t)(offset)) == MAP_FAILED); \
    EXPECT(errno, error);                                                             \
  } while (0)
  NOT_MAPPED(PAGE, rw, MAP_SHARED, 0, EINVAL);
  NOT_MAPPED(PAGE, rw, MAP_SHARED, hbm.mmap_offset << 4, EINVAL);
  NOT_MAPPED(PAGE, rw, MAP_PRIVATE, hbm.mmap_offset, EINVAL);
  NOT_MAPPED(PAGE, rw | PROT_EXEC, MAP_SHARED, hbm.mmap_offset, EINVAL);
  NOT_MAPPED(PAGE, rw, MAP_SHARED, hbm.mmap_offset * host.handle / hbm.handle, EINVAL); /* host memory */
  NOT_MAPPED(bytes + PAGE, rw, MAP_SHARED, hbm.mmap_offset, EINVAL);
  NOT_MAPPED(PAGE, rw, MAP_SHARED, hbm.mmap_offset + bytes, EINVAL);

  uint8_t* const a = mmap(NULL, bytes, rw, MAP_SHARED, file, (off_t)hbm.mmap_offset);
  CHECK(a != MAP_FAILED);
  uint8_t* const b = mmap(NULL, PAGE, rw, MAP_SHARED, file, (off_t)(ddr.mmap_offset + bytes - PAGE));
  CHECK(b != MAP_FAILED);
  CHECK(mprotect(b, PAGE, rw | PROT_EXEC) == -1 && errno == EACCES);
  for (uint64_t i = 0; i < bytes; i += PAGE) CHECK(a[i] == 0 && a[i + PAGE - 1] == 0);
  for (uint64_t i = 0; i < bytes; i += 8) *(volatile uint64_t*)(a + i) = i * 3;
  /* The device has it: its last page comes back by another way. */
  CHECK(execute(file, queue, copy(ddr.address + bytes - PAGE, hbm.address + bytes - PAGE, PAGE)) ==
        RDU_STATUS_OK);
  CHECK(execute(file, queue, copy(host.address, hbm.address, PAGE)) == RDU_STATUS_OK);
  CHECK(memcmp(pages, a, PAGE) == 0 && memcmp(b, a + bytes - PAGE, PAGE) == 0);
  CHECK(((uint64_t*)pages)[3] == 3 * 24);

  /* A child has its own way to it; parts of a mapping go one by one; freed memory stays while it is mapped.
   */
  const pid_t child = fork();
  if (child == 0) {
    CHECK(a[8] == 24);
    CHECK(munmap(a + PAGE, bytes - 2 * PAGE) == 0 && a[8] == 24 &&
          *(uint64_t*)(a + bytes - 8) == 3 * (bytes - 8));
    exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  EXPECT(free_memory(file, hbm.handle), 0);
  NOT_MAPPED(PAGE, rw, MAP_SHARED, hbm.mmap_offset, EINVAL);
  CHECK(a[8] == 24);
  struct rdu_ioc_memory all;
  EXPECT(make_memory(file, RDU_MEMORY_HBM, HBM, NULL, &all), ENOMEM);
  CHECK(munmap(a, bytes) == 0);
  EXPECT(make_memory(file, RDU_MEMORY_HBM, HBM, NULL, &all), 0);

  /* More than all windows show: EBUSY, and afterwards as before. */
  EXPECT(make_memory(file, RDU_MEMORY_DDR, PAGE, NULL, &hbm), 0);
  uint8_t* const again = mmap(NULL, HBM, rw, MAP_SHARED, file, (off_t)all.mmap_offset);
  CHECK(again != MAP_FAILED);
  close(file); /* the mapping keeps it */
  CHECK(again[(first & ((1ull << RDU_SEGMENT_SHIFT) - 1)) + 8] == 24);
  CHECK(*(uint64_t*)(b + 8) == 3 * (bytes - PAGE + 8));
  CHECK(munmap(again, HBM) == 0 && munmap(b, PAGE) == 0);

  const int large = open_device();
  EXPECT(make_context(large, 512ull << 20, 0, NULL), 0);
  EXPECT(make_memory(large, RDU_MEMORY_HBM, 512ull << 20, NULL, &all), 0);
  CHECK(mmap(NULL, 512ull << 20, rw, MAP_SHARED, large, (off_t)all.mmap_offset) == MAP_FAILED);
  EXPECT(errno, EBUSY);
  void* const most = mmap(NULL, 128ull << 20, rw, MAP_SHARED, large, (off_t)all.mmap_offset);
  CHECK(most != MAP_FAILED);
  close(large);
  CHECK(munmap(most, 128ull << 20) == 0);
}

static void administration(void) {
  const int file = open_device();
  struct rdu_log_sensor sensors[64];
  static uint8_t page[65536 + PAGE];
  struct rdu_ioc_admin args = {.opcode = RDU_ADMIN_READ_LOG,
                               .arg = {RDU_LOG_SENSORS},
                               .data = (uintptr_t)sensors,
                               .bytes = sizeof sensors};
  EXPECT(call(file, RDU_IOC_ADMIN, &args), 0);
  CHECK(args.status == RDU_STATUS_OK && args.result >= sizeof sensors[0] && sensors[0].power > 0);
  args = (struct rdu_ioc_admin){
      .opcode = RDU_ADMIN_READ_LOG, .arg = {RDU_LOG_TEXT}, .data = (uintptr_t)page, .bytes = 65536};
  EXPECT(call(file, RDU_IOC_ADMIN, &args), 0);
  CHECK(args.status == RDU_STATUS_OK && memmem(page, 65536, "host enabled the device", 23) != NULL);
  args = (struct rdu_ioc_admin){.opcode = RDU_ADMIN_READ_LOG, .arg = {0xffff}};
  EXPECT(call(file, RDU_IOC_ADMIN, &args), 0);
  CHECK(args.status == RDU_STATUS_BAD_LOG_PAGE);
  args = (struct rdu_ioc_admin){.opcode = RDU_ADMIN_READ_LOG, .data = (uintptr_t)page, .bytes = 65537};
  EXPECT(call(file, RDU_IOC_ADMIN, &args), EINVAL);
  args = (struct rdu_ioc_admin){.opcode = RDU_ADMIN_READ_LOG, .bytes = 8};
  EXPECT(call(file, RDU_IOC_ADMIN, &args), EINVAL);
  args = (struct rdu_ioc_admin){.opcode = RDU_ADMIN_READ_LOG, .data = 8, .bytes = 8};
  EXPECT(call(file, RDU_IOC_ADMIN, &args), EFAULT);
  args = (struct rdu_ioc_admin){.opcode = RDU_ADMIN_READ_LOG, .reserved = 1};
  EXPECT(call(file, RDU_IOC_ADMIN, &args), EINVAL);
  const uint32_t never[] = {0,
                            RDU_ADMIN_IDENTIFY,
                            RDU_ADMIN_CREATE_CONTEXT,
                            RDU_ADMIN_DELETE_CONTEXT,
                            RDU_ADMIN_CREATE_QUEUE,
                            RDU_ADMIN_DELETE_QUEUE,
                            0x100 + RDU_ADMIN_READ_LOG,
                            ~0u};
  for (size_t i = 0; i < sizeof never / sizeof never[0]; ++i) {
    args = (struct rdu_ioc_admin){.opcode = never[i]};
    EXPECT(call(file, RDU_IOC_ADMIN, &args), EOPNOTSUPP);
  }
  args = (struct rdu_ioc_admin){.opcode = RDU_ADMIN_SET_THRESHOLD, .arg = {0, RDU_THRESHOLD_HIGH, 84000}};
  EXPECT(call(file, RDU_IOC_ADMIN, &args), 0);
  CHECK(args.status == RDU_STATUS_OK);
  args = (struct rdu_ioc_admin){.opcode = RDU_ADMIN_SET_THRESHOLD, .arg = {9999}};
  EXPECT(call(file, RDU_IOC_ADMIN, &args), 0);
  CHECK(args.status == RDU_STATUS_BAD_ARGUMENT);
  args = (struct rdu_ioc_admin){.opcode = RDU_ADMIN_FW_WRITE};
  EXPECT(call(file, RDU_IOC_ADMIN, &args), EINVAL);
  args = (struct rdu_ioc_admin){.opcode = RDU_ADMIN_INJECT, .data = (uintptr_t)page, .bytes = 8};
  EXPECT(call(file, RDU_IOC_ADMIN, &args), EINVAL);
  close(file);
}

/* A reset: contexts get EIO after what was lost, others go on. */
static void reset(void) {
  const int file = open_device(), without = open_device();
  struct rdu_completion completions[4];
  struct rdu_ioc_memory object;
  struct rdu_ioc_info info = {0};
  uint32_t queue, count = 1;
  const struct rdu_sqe command = nop();
  EXPECT(call(file, RDU_IOC_INFO, &info), 0);
  const uint64_t resets = info.resets;
  EXPECT(make_context(file, PAGE, 0, NULL), 0);
  EXPECT(make_queue(file, 8, -1, &queue), 0);
  wait_for_event(file, queue);
  EXPECT(submit(file, queue, &command, &count, 0, NULL), 0);
  EXPECT(call(without, RDU_IOC_RESET, NULL), 0);
  info = (struct rdu_ioc_info){0};
  EXPECT(call(file, RDU_IOC_INFO, &info), 0);
  CHECK(info.resets == resets + 1);
  struct pollfd wait = {.fd = file, .events = POLLIN};
  CHECK(poll(&wait, 1, 0) == 1 && wait.revents == (POLLIN | POLLERR));
  count = 4;
  EXPECT(take(file, queue, completions, &count, RDU_WAIT_FOREVER), 0);
  CHECK(count == 2 && completions[0].status == RDU_STATUS_ABORTED && completions[0].opcode == RDU_CMD_EVENT);
  CHECK(completions[1].status == RDU_STATUS_ABORTED && completions[1].opcode == RDU_CMD_NOP);
  EXPECT(take(file, queue, completions, &count, RDU_WAIT_FOREVER), EIO);
  EXPECT(submit(file, queue, &command, &count, RDU_WAIT_FOREVER, NULL), EIO);
  EXPECT(make_memory(file, RDU_MEMORY_HBM, PAGE, NULL, &object), EIO);
  EXPECT(make_queue(file, 8, -1, &queue), EIO);
  EXPECT(free_queue(file, 1), EIO);
  EXPECT(free_memory(file, 1), EIO);
  EXPECT(make_context(file, PAGE, 0, NULL), EIO);
  CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0) == MAP_FAILED && errno == EIO);
  close(file);
  EXPECT(make_context(without, PAGE, 0, NULL), 0);
  EXPECT(make_queue(without, 8, -1, &queue), 0);
  CHECK(execute(without, queue, nop()) == RDU_STATUS_OK);
  close(without);
}

int calls(int argc, char** argv) {
  static const struct {
    const char* name;
    void (*run)(void);
  } all[] = {{"info", info},
             {"contexts", contexts},
             {"memory", memory},
             {"rights", without_rights},
             {"queues", queues},
             {"freed", freed_while_waited_for},
             {"copies", copies},
             {"mappings", mappings},
             {"administration", administration},
             {"reset", reset}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) {
    if (argc > 1 && strcmp(argv[1], all[i].name) != 0) continue;
    all[i].run();
    printf("%s: good\n", all[i].name);
  }
  return 0;
}
