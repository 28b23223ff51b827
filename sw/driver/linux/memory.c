// SPDX-License-Identifier: GPL-2.0
/*
 * Memory objects: ranges of a context's segments. Those of the device cost nothing but their range;
 * those of the host are pages of the process, pinned, charged to its RLIMIT_MEMLOCK, and entered
 * into the context's page table.
 */

#include <linux/dma-mapping.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "rdu.h"

#define RDU_MEMORY_MAX	 65535u /* objects of a file; ours */
#define RDU_OFFSET_SHIFT 42	/* mmap offsets: the handle above, bytes of the object below */
#define RDU_PIN_BATCH	 512

u64 rdu_memory_mmap_offset(u32 handle)
{
	return (u64)handle << RDU_OFFSET_SHIFT;
}

/* --- pinned pages --- */

static int rdu_memory_charge(struct rdu_memory *memory, unsigned long pages)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	if (atomic64_add_return(pages, &current->mm->pinned_vm) > limit && !capable(CAP_IPC_LOCK)) {
		atomic64_sub(pages, &current->mm->pinned_vm);
		return -ENOMEM;
	}
	mmgrab(current->mm);
	memory->mm = current->mm;
	return 0;
}

static void rdu_memory_unpin(struct rdu_memory *memory, unsigned long charged)
{
	if (memory->page) {
		unpin_user_pages_dirty_lock(memory->page, memory->page_count, true);
		kvfree(memory->page);
		memory->page = NULL;
	}
	if (memory->mm) {
		atomic64_sub(charged, &memory->mm->pinned_vm);
		mmdrop(memory->mm);
		memory->mm = NULL;
	}
}

static int rdu_memory_pin(struct rdu_memory *memory, u64 user, u64 bytes)
{
	unsigned long pages = bytes >> PAGE_SHIFT;
	int err, got;

	if (pages > totalram_pages())
		return -ENOMEM;
	err = rdu_memory_charge(memory, pages);
	if (err)
		return err;
	memory->page =
		kvmalloc_array(pages, sizeof(*memory->page), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!memory->page) {
		err = -ENOMEM;
		goto undo;
	}
	while (memory->page_count < pages) {
		got = pin_user_pages_fast(
			user + memory->page_count * PAGE_SIZE,
			min_t(unsigned long, pages - memory->page_count, RDU_PIN_BATCH),
			FOLL_WRITE | FOLL_LONGTERM, memory->page + memory->page_count);
		if (got <= 0) {
			err = got == -ENOMEM || got == -EINTR ? got : -EFAULT;
			goto undo;
		}
		memory->page_count += got;
		if (fatal_signal_pending(current)) {
			err = -EINTR;
			goto undo;
		}
		cond_resched();
	}
	return 0;
undo:
	rdu_memory_unpin(memory, pages);
	return err;
}

static int rdu_memory_map(struct rdu_memory *memory)
{
	struct device *dev = &memory->file->rdu->pdev->dev;
	int err;

	err = sg_alloc_table_from_pages_segment(&memory->sgt, memory->page, memory->page_count, 0,
						memory->page_count * PAGE_SIZE,
						dma_get_max_seg_size(dev), GFP_KERNEL);
	if (err)
		return err;
	err = dma_map_sgtable(dev, &memory->sgt, DMA_BIDIRECTIONAL, 0);
	if (err)
		sg_free_table(&memory->sgt);
	return err;
}

static void rdu_memory_unmap(struct rdu_memory *memory)
{
	dma_unmap_sgtable(&memory->file->rdu->pdev->dev, &memory->sgt, DMA_BIDIRECTIONAL, 0);
	sg_free_table(&memory->sgt);
}

static int rdu_memory_enter(struct rdu_memory *memory)
{
	u64 page = memory->first;
	struct scatterlist *sg;
	int err, i;

	for_each_sgtable_dma_sg (&memory->sgt, sg, i) {
		err = rdu_table_enter(memory->file, page, sg_dma_address(sg),
				      sg_dma_len(sg) >> RDU_PAGE_SHIFT);
		if (err) {
			rdu_table_clear(memory->file, memory->first, memory->pages);
			return err;
		}
		page += sg_dma_len(sg) >> RDU_PAGE_SHIFT;
	}
	return 0;
}

/* --- objects --- */

static void rdu_memory_release(struct kref *ref)
{
	struct rdu_memory *memory = container_of(ref, struct rdu_memory, ref);

	free_iova(&memory->file->space[memory->type].ranges, memory->first);
	kfree(memory);
}

void rdu_memory_put(struct rdu_memory *memory)
{
	kref_put(&memory->ref, rdu_memory_release);
}

struct rdu_memory *rdu_memory_get(struct rdu_file *file, u32 handle)
{
	struct rdu_memory *memory;

	xa_lock(&file->memory);
	memory = xa_load(&file->memory, handle);
	if (memory)
		kref_get(&memory->ref);
	xa_unlock(&file->memory);
	return memory;
}

/* A range of the segment for it. The file is locked. */
static int rdu_memory_place(struct rdu_memory *memory)
{
	struct rdu_space *space = &memory->file->space[memory->type];
	struct iova *range;

	if (memory->pages > space->pages)
		return -ENOMEM;
	range = alloc_iova(&space->ranges, memory->pages, space->pages - 1, false);
	if (!range)
		return -ENOMEM;
	memory->first = range->pfn_lo;
	return 0;
}

/* What the host has given for it is free again; the device reaches it no more. */
static void rdu_memory_leave_host(struct rdu_memory *memory)
{
	if (memory->type != RDU_MEMORY_HOST)
		return;
	rdu_memory_unmap(memory);
	rdu_memory_unpin(memory, memory->page_count);
}

static int rdu_memory_add(struct rdu_memory *memory, u32 *handle)
{
	struct rdu_file *file = memory->file;
	int err;

	if (!file->context)
		return -ENXIO;
	err = rdu_memory_place(memory);
	if (err)
		return err;
	if (memory->type == RDU_MEMORY_HOST) {
		err = rdu_memory_enter(memory);
		if (err)
			goto free_range;
	}
	err = xa_alloc(&file->memory, handle, memory, XA_LIMIT(1, RDU_MEMORY_MAX),
		       GFP_KERNEL_ACCOUNT);
	if (!err)
		return 0;
	if (err == -EBUSY)
		err = -ENOMEM;
	if (memory->type == RDU_MEMORY_HOST)
		rdu_table_clear(file, memory->first, memory->pages);
free_range:
	free_iova(&file->space[memory->type].ranges, memory->first);
	return err;
}

static const u64 rdu_memory_segment[] = {
	[RDU_MEMORY_HBM] = RDU_SEGMENT_HBM,
	[RDU_MEMORY_DDR] = RDU_SEGMENT_DDR,
	[RDU_MEMORY_HOST] = RDU_SEGMENT_HOST,
};

static int rdu_memory_check(const struct rdu_ioc_memory *args)
{
	if (args->flags || args->reserved || !args->bytes)
		return -EINVAL;
	switch (args->type) {
	case RDU_MEMORY_HBM:
	case RDU_MEMORY_DDR:
		if (args->user)
			return -EINVAL;
		return args->bytes > 1ull << RDU_OFFSET_SHIFT ? -ENOMEM : 0;
	case RDU_MEMORY_HOST:
		if (!PAGE_ALIGNED(args->user) || !PAGE_ALIGNED(args->bytes))
			return -EINVAL;
		if (args->user + args->bytes < args->user || args->user + args->bytes > TASK_SIZE)
			return -EFAULT;
		return args->bytes > RDU_HOST_TABLE_SPAN ? -ENOMEM : 0;
	default:
		return -EINVAL;
	}
}

int rdu_memory_create(struct rdu_file *file, struct rdu_ioc_memory *args)
{
	struct rdu_memory *memory;
	u64 first;
	int err;

	err = rdu_file_error(file) ?: rdu_memory_check(args);
	if (err)
		return err;
	if (!READ_ONCE(file->had_context))
		return -ENXIO;
	memory = kzalloc(sizeof(*memory), GFP_KERNEL_ACCOUNT);
	if (!memory)
		return -ENOMEM;
	kref_init(&memory->ref);
	memory->file = file;
	memory->type = args->type;
	memory->pages = DIV_ROUND_UP_ULL(args->bytes, RDU_PAGE);
	if (memory->type == RDU_MEMORY_HOST) {
		err = rdu_memory_pin(memory, args->user, args->bytes);
		if (err)
			goto free;
	}
	/* From here to the end, a removal waits: memory is mapped for the device while there is
	 * one. */
	err = rdu_file_begin(file);
	if (err)
		goto unpin;
	if (memory->type == RDU_MEMORY_HOST) {
		err = rdu_memory_map(memory);
		if (err)
			goto end;
	}
	err = rdu_memory_add(memory, &args->handle);
	if (err) {
		if (memory->type == RDU_MEMORY_HOST)
			rdu_memory_unmap(memory);
		goto end;
	}
	first = memory->first; /* from rdu_file_end() on, another thread may free it */
	rdu_file_end(file);
	args->address = RDU_VA(rdu_memory_segment[args->type], first << RDU_PAGE_SHIFT);
	args->mmap_offset =
		args->type == RDU_MEMORY_HOST ? 0 : rdu_memory_mmap_offset(args->handle);
	return 0;
end:
	rdu_file_end(file);
unpin:
	rdu_memory_unpin(memory, memory->page_count);
free:
	kfree(memory);
	return err;
}

int rdu_memory_free(struct rdu_file *file, u32 handle)
{
	struct rdu_memory *memory;
	int err;

	err = rdu_file_begin(file);
	if (err)
		return err;
	memory = xa_erase(&file->memory, handle);
	if (memory && memory->type == RDU_MEMORY_HOST)
		rdu_table_clear(file, memory->first, memory->pages);
	if (memory)
		rdu_memory_leave_host(memory);
	rdu_file_end(file);
	if (!memory)
		return -ENOENT;
	rdu_memory_put(memory);
	return 0;
}

/* All objects go: the device has let go of the context. */
void rdu_memory_forget(struct rdu_file *file)
{
	struct rdu_memory *memory;
	unsigned long handle;

	xa_for_each (&file->memory, handle, memory) {
		xa_erase(&file->memory, handle);
		rdu_memory_leave_host(memory);
		rdu_memory_put(memory);
	}
}
