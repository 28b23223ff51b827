/* Random calls, likely and unlikely, by several processes at once, with threads and children that share
 * files. Nothing is checked but that the kernel survives: that is the test's to see. */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

#define FILES 3
#define PAGES 64

struct fuzzer {
  uint64_t random;
  int files[FILES]; /* -1: not open */
  int eventfd;
  uint8_t* pages;
  uint8_t* mapped[4];
  uint64_t mapped_bytes[4];
  uint64_t addresses[8];
  uint64_t calls, good;
};

static uint64_t next(struct fuzzer* f) { /* xorshift64* */
  f->random ^= f->random >> 12;
  f->random ^= f->random << 25;
  f->random ^= f->random >> 27;
  return f->random * 0x2545f4914f6cdd1dull;
}

static uint64_t below(struct fuzzer* f, uint64_t limit) {
  return next(f) % limit;
}

/* Mostly sensible, at times at a border, at times anything. */
static uint64_t number(struct fuzzer* f, uint64_t sensible) {
  switch (below(f, 24)) {
    case 0:
      return next(f);
    case 1:
      return 1ull << below(f, 64);
    case 2:
      return (1ull << below(f, 64)) - 1;
    case 3:
      return 0 - below(f, 3 * PAGE);
    case 4:
      return 0;
    default:
      return below(f, sensible + 1);
  }
}

static uint64_t pointer(struct fuzzer* f) {
  switch (below(f, 16)) {
    case 0:
      return next(f);
    case 1:
      return 0;
    case 2:
      return (uintptr_t)f->pages + PAGES * PAGE - below(f, 64); /* over the end */
    case 3:
      return (uintptr_t)f->mapped[below(f, 4)];
    default:
      return (uintptr_t)f->pages + below(f, (PAGES - 32) * PAGE) / 8 * 8;
  }
}

static uint64_t timeout(struct fuzzer* f) {
  return below(f, 64) == 0 ? 2000000 : 0;
}

static uint64_t device_address(struct fuzzer* f) {
  const uint64_t address = f->addresses[below(f, 8)];
  return below(f, 8) == 0 ? number(f, 1 << 20) : address + below(f, 3 * PAGE);
}

static void fill_commands(struct fuzzer* f, struct rdu_sqe* sqe, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    sqe[i] = (struct rdu_sqe){.opcode = RDU_CMD_NOP};
    switch (below(f, 6)) {
      case 0:
        sqe[i] = copy(device_address(f), device_address(f), number(f, 2 * PAGE));
        break;
      case 1:
        sqe[i].opcode = (uint8_t)next(f);
        for (int n = 0; n < 7; ++n) sqe[i].arg[n] = number(f, PAGE);
        if (sqe[i].opcode == RDU_CMD_EVENT && below(f, 4) != 0) sqe[i].opcode = RDU_CMD_NOP;
        break;
      case 2:
        sqe[i].opcode = below(f, 2) ? RDU_CMD_LOAD_PROGRAM : RDU_CMD_LAUNCH;
        sqe[i].arg[0] = device_address(f);
        sqe[i].arg[1] = number(f, PAGE);
        break;
      default:
        break;
    }
    if (below(f, 64) == 0) sqe[i].reserved = (uint8_t)next(f);
  }
}

static void random_map(struct fuzzer* f, int file) {
  const size_t n = below(f, 4);
  if (f->mapped[n] != NULL) {
    munmap(f->mapped[n], f->mapped_bytes[n]);
    f->mapped[n] = NULL;
    return;
  }
  const uint64_t bytes = (1 + below(f, 8)) * PAGE;
  const uint64_t offset = (below(f, 8) << 42) + below(f, 8) * PAGE;
  void* const at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, below(f, 16) ? MAP_SHARED : MAP_PRIVATE, file,
                        (off_t)(below(f, 32) ? offset : next(f) & ~4095ull));
  if (at == MAP_FAILED) return;
  f->mapped[n] = at;
  f->mapped_bytes[n] = bytes;
}

static void touch(struct fuzzer* f) {
  const size_t n = below(f, 4);
  if (f->mapped[n] != NULL) *(volatile uint32_t*)(f->mapped[n] + below(f, f->mapped_bytes[n] / 4) * 4) += 1;
}

static int one_call(struct fuzzer* f, int file) {
  switch (below(f, 24)) {
    case 0: {
      struct rdu_ioc_info args = {.identify_bytes = (uint32_t)number(f, 256), .identify = pointer(f)};
      return call(file, RDU_IOC_INFO, &args);
    }
    case 1: {
      struct rdu_ioc_context args = {.hbm_bytes = number(f, 1 << 20), .ddr_bytes = number(f, 1 << 20)};
      return call(file, RDU_IOC_CONTEXT, &args);
    }
    case 2:
    case 3:
    case 4: {
      struct rdu_ioc_memory args = {.type = (uint32_t)number(f, 3), .bytes = number(f, 8) * PAGE};
      if (args.type == RDU_MEMORY_HOST) args.user = pointer(f) & ~4095ull;
      if (below(f, 32) == 0) args.bytes = next(f);
      const int error = call(file, RDU_IOC_MEMORY, &args);
      if (error == 0) f->addresses[below(f, 8)] = args.address;
      return error;
    }
    case 5:
    case 6:
    case 7: {
      struct rdu_ioc_handle args = {.handle = (uint32_t)number(f, 8)};
      return call(file, RDU_IOC_MEMORY_FREE, &args);
    }
    case 8: {
      if (below(f, 4) != 0) return 0; /* what the firmware serves takes its time */
      struct rdu_ioc_queue args = {.entries = 1u << below(f, 7),
                                   .eventfd = below(f, 2) ? -1 : (int)number(f, (uint64_t)f->eventfd)};
      if (below(f, 8) == 0) args.entries = (uint32_t)next(f);
      return call(file, RDU_IOC_QUEUE, &args);
    }
    case 9: {
      if (below(f, 4) != 0) return 0;
      struct rdu_ioc_handle args = {.handle = (uint32_t)number(f, 4)};
      return call(file, RDU_IOC_QUEUE_FREE, &args);
    }
    case 10:
    case 11:
    case 12:
    case 13: {
      struct rdu_ioc_submit args = {.handle = (uint32_t)number(f, 4),
                                    .count = (uint32_t)number(f, 8),
                                    .commands = pointer(f),
                                    .timeout_ns = timeout(f)};
      const uint64_t begin = (uintptr_t)f->pages, end = begin + PAGES * PAGE;
      if (args.commands >= begin && args.commands + 8 * sizeof(struct rdu_sqe) <= end)
        fill_commands(f, (struct rdu_sqe*)(uintptr_t)args.commands, 8);
      return call(file, RDU_IOC_SUBMIT, &args);
    }
    case 14:
    case 15:
    case 16:
    case 17: {
      struct rdu_ioc_completions args = {.handle = (uint32_t)number(f, 4),
                                         .count = (uint32_t)number(f, 64),
                                         .completions = pointer(f),
                                         .timeout_ns = timeout(f)};
      return call(file, RDU_IOC_COMPLETIONS, &args);
    }
    case 18: {
      if (below(f, 4) != 0) return 0;
      struct rdu_ioc_admin args = {
          .opcode = (uint32_t)number(f, 8), .data = pointer(f), .bytes = (uint32_t)number(f, 4096)};
      if (below(f, 2) == 0) args.opcode = RDU_ADMIN_READ_LOG;
      for (int n = 0; n < 7; ++n) args.arg[n] = number(f, 12);
      if (args.opcode == RDU_ADMIN_INJECT) args.arg[0] = 100; /* what panics or hangs has a test of its own */
      return call(file, RDU_IOC_ADMIN, &args);
    }
    case 19: { /* any request with any bytes */
      uint8_t bytes[128];
      for (size_t i = 0; i < sizeof bytes; i += 8) memcpy(bytes + i, &(uint64_t){number(f, 16)}, 8);
      unsigned long request = _IOC(below(f, 4), RDU_IOC_MAGIC, 0x7e + below(f, 14), below(f, 128));
      if (_IOC_NR(request) == _IOC_NR(RDU_IOC_RESET)) request = RDU_IOC_INFO;
      return call(file, request, bytes);
    }
    case 20: {
      struct pollfd wait = {.fd = file, .events = (short)next(f)};
      return poll(&wait, 1, 0) >= 0 ? 0 : errno;
    }
    case 21:
      random_map(f, file);
      return 0;
    default:
      touch(f);
      return 0;
  }
}

static void reopen(struct fuzzer* f, size_t n) {
  if (f->files[n] >= 0) close(f->files[n]);
  f->files[n] = open(device_path, O_RDWR | O_CLOEXEC);
  if (f->files[n] < 0) return;
  if (below(f, 4) != 0) make_context(f->files[n], below(f, 64) * PAGE, below(f, 64) * PAGE, NULL);
  uint32_t queue;
  if (below(f, 4) != 0) make_queue(f->files[n], 8, -1, &queue);
}

struct share {
  struct fuzzer fuzzer;
  uint64_t count;
};

static void* call_at_random(void* argument) {
  struct share* const share = argument;
  struct fuzzer* const f = &share->fuzzer;
  for (uint64_t i = 0; i < share->count; ++i) {
    const size_t n = below(f, FILES);
    if (f->files[n] < 0) continue;
    ++f->calls;
    if (one_call(f, f->files[n]) == 0) ++f->good;
  }
  return NULL;
}

/* A process: in turns alone, with a second thread on the same files, with a child that inherits them. */
static void fuzz_process(uint64_t seed, uint64_t count) {
  struct fuzzer f = {.random = seed * 0x9e3779b97f4a7c15ull | 1, .files = {-1, -1, -1}};
  f.eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  f.pages = host_pages((PAGES + 1) * PAGE);
  CHECK(mprotect(f.pages + PAGES * PAGE, PAGE, PROT_NONE) == 0); /* the kernel may be told to write there */
  while (f.calls < count) {
    reopen(&f, below(&f, FILES));
    struct share one = {f, 500 + below(&f, 500)}, two = {f, one.count};
    two.fuzzer.random = next(&f) | 1;
    memset(two.fuzzer.mapped, 0, sizeof two.fuzzer.mapped); /* each unmaps its own */
    const uint64_t kind = below(&f, 8);
    pthread_t thread;
    pid_t child = -1;
    if (kind == 0) CHECK(pthread_create(&thread, NULL, call_at_random, &two) == 0);
    if (kind == 1 && (child = fork()) == 0) {
      call_at_random(&two);
      _exit(0);
    }
    if (kind == 2 && (child = fork()) == 0) {
      two.count = ~0ull;
      call_at_random(&two);
    }
    call_at_random(&one);
    if (kind == 0) pthread_join(thread, NULL);
    if (kind == 2) kill(child, SIGKILL);
    if (child > 0) waitpid(child, NULL, 0);
    for (int i = 0; kind == 0 && i < 4; ++i)
      if (two.fuzzer.mapped[i] != NULL) munmap(two.fuzzer.mapped[i], two.fuzzer.mapped_bytes[i]);
    const uint64_t random = f.random;
    f = one.fuzzer;
    f.random = random;
    if (kind <= 1) f.calls += one.count;
  }
  printf("%llu calls, %llu good\n", (unsigned long long)f.calls, (unsigned long long)f.good);
}

int fuzz(int argc, char** argv) {
  CHECK(argc == 4);
  const uint64_t seed = strtoull(argv[1], NULL, 0), count = strtoull(argv[2], NULL, 0);
  const int processes = atoi(argv[3]);
  int failed = 0, status;
  for (int i = 0; i < processes; ++i) {
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      fuzz_process(seed + (uint64_t)i, count / (uint64_t)processes);
      fflush(stdout);
      _exit(0);
    }
  }
  for (int i = 0; i < processes; ++i) {
    CHECK(wait(&status) > 0);
    /* Touching what was mapped is SIGBUS when it is gone, which is as it should be. */
    if (status != 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS)) ++failed;
  }
  printf("fuzz: %s\n", failed ? "a process failed" : "good");
  return failed != 0;
}
