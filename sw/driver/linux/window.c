// SPDX-License-Identifier: GPL-2.0
/*
 * Device memory in a process: BAR2 is a row of windows, each of which shows a piece of HBM or DDR
 * as large as itself, at a multiple of its size. So windows cannot overlap, and objects of several
 * contexts may share one. A process never sees what else a window shows: it gets page table entries
 * for the pages of its object only.
 */

#include <linux/slab.h>

#include "rdu.h"

/**
 * struct rdu_view - A mapping of an object, and all that became of it by fork and partial unmapping
 * @ref: one for each area of a process
 * @memory: the object
 * @first: page of the device's memory at which it begins
 * @start: page offset of the file there
 * @epoch: as the device's when its windows were taken
 * @chunk: what the first of its windows shows
 * @count: its windows, as many as it has chunks, and
 * @window: which
 */
struct rdu_view {
	struct kref ref;
	struct rdu_memory *memory;
	u64 first;
	unsigned long start;
	u64 epoch;
	u64 chunk;
	u32 count;
	u8 window[RDU_WINDOWS];
};

static const u32 rdu_window_memory[] = {
	[RDU_MEMORY_HBM] = RDU_HOSTIF_WINDOW_BASE_MEMORY_HBM,
	[RDU_MEMORY_DDR] = RDU_HOSTIF_WINDOW_BASE_MEMORY_DDR,
};

/* Shows a chunk in a window: -EIO if the device refuses. */
static int rdu_window_program(struct rdu_device *rdu, u32 n, u32 memory, u64 chunk)
{
	u64 base =
		FIELD_PREP(RDU_HOSTIF_WINDOW_BASE_MEMORY_MASK, memory) | chunk << rdu->window_shift;

	rdu_write64(rdu, RDU_HOSTIF_WINDOW_BASE(n), base);
	return rdu_read64(rdu, RDU_HOSTIF_WINDOW_BASE(n)) == base ? 0 : -EIO;
}

/* The window that shows a chunk, one reference more. */
static int rdu_window_take(struct rdu_device *rdu, u32 memory, u64 chunk)
{
	struct rdu_window *window;
	int free = -EBUSY, err;
	u32 n;

	for (n = 0; n < rdu->windows; n++) {
		window = &rdu->window[n];
		if (!window->refs) {
			free = n;
		} else if (window->memory == memory && window->chunk == chunk) {
			window->refs++;
			return n;
		}
	}
	if (free < 0)
		return free;
	err = rdu_window_program(rdu, free, memory, chunk);
	if (err)
		return err;
	rdu->window[free] = (struct rdu_window){.memory = memory, .chunk = chunk, .refs = 1};
	return free;
}

static void rdu_window_give(struct rdu_device *rdu, u32 n)
{
	if (--rdu->window[n].refs == 0 && rdu->windows_up)
		rdu_window_program(rdu, n, RDU_HOSTIF_WINDOW_BASE_MEMORY_NONE, 0);
}

/* After the device has come up: nothing is shown. */
void rdu_window_start(struct rdu_device *rdu)
{
	u32 cap = rdu_read32(rdu, RDU_HOSTIF_WINDOW_CAP), n;

	mutex_lock(&rdu->window_lock);
	rdu->windows = min_t(u32, FIELD_GET(RDU_HOSTIF_WINDOW_CAP_COUNT_MASK, cap), RDU_WINDOWS);
	rdu->window_shift = FIELD_GET(RDU_HOSTIF_WINDOW_CAP_LOG2_BYTES_MASK, cap);
	if (rdu->window_shift < PAGE_SHIFT || rdu->window_shift > 40 ||
	    pci_resource_len(rdu->pdev, 2) < (u64)rdu->windows << rdu->window_shift)
		rdu->windows = 0;
	for (n = 0; n < rdu->windows; n++)
		rdu_window_program(rdu, n, RDU_HOSTIF_WINDOW_BASE_MEMORY_NONE, 0);
	rdu->windows_up = true;
	mutex_unlock(&rdu->window_lock);
}

/* Before the device goes down: nobody takes windows any more, and those that were taken are void.
 */
void rdu_window_stop(struct rdu_device *rdu)
{
	mutex_lock(&rdu->window_lock);
	rdu->windows_up = false;
	rdu->window_epoch++;
	memset(rdu->window, 0, sizeof(rdu->window));
	mutex_unlock(&rdu->window_lock);
}

/* What the file's processes have mapped of the device is taken away; touching it is SIGBUS from now
 * on. */
void rdu_window_lose(struct rdu_file *file)
{
	mutex_lock(&file->rdu->window_lock);
	file->unmapped = true;
	mutex_unlock(&file->rdu->window_lock);
	/* Other files of the node lose their entries with it, and get them back by faults. */
	unmap_mapping_range(file->mapping, 0, 0, 1);
}

/* --- views --- */

static void rdu_view_drop_windows(struct rdu_device *rdu, struct rdu_view *view)
{
	if (view->epoch != rdu->window_epoch)
		return;
	while (view->count)
		rdu_window_give(rdu, view->window[--view->count]);
}

static void rdu_view_release(struct kref *ref)
{
	struct rdu_view *view = container_of(ref, struct rdu_view, ref);
	struct rdu_device *rdu = view->memory->file->rdu;

	mutex_lock(&rdu->window_lock);
	rdu_view_drop_windows(rdu, view);
	mutex_unlock(&rdu->window_lock);
	rdu_memory_put(view->memory);
	kfree(view);
}

static int rdu_view_take_windows(struct rdu_device *rdu, struct rdu_view *view, u32 memory,
				 u64 pages)
{
	u32 shift = rdu->window_shift - PAGE_SHIFT;
	u64 last = (view->first + pages - 1) >> shift;
	int window;
	u64 chunk;

	view->epoch = rdu->window_epoch;
	view->chunk = view->first >> shift;
	if (last - view->chunk >= rdu->windows)
		return rdu->windows ? -EBUSY : -EOPNOTSUPP;
	for (chunk = view->chunk; chunk <= last; chunk++) {
		window = rdu_window_take(rdu, memory, chunk);
		if (window < 0) {
			rdu_view_drop_windows(rdu, view);
			return window;
		}
		view->window[view->count++] = window;
	}
	return 0;
}

static void rdu_vma_open(struct vm_area_struct *vma)
{
	struct rdu_view *view = vma->vm_private_data;

	kref_get(&view->ref);
}

static void rdu_vma_close(struct vm_area_struct *vma)
{
	struct rdu_view *view = vma->vm_private_data;

	kref_put(&view->ref, rdu_view_release);
}

static vm_fault_t rdu_vma_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct rdu_view *view = vma->vm_private_data;
	struct rdu_file *file = view->memory->file;
	struct rdu_device *rdu = file->rdu;
	vm_fault_t result = VM_FAULT_SIGBUS;
	u64 page, in_window;
	phys_addr_t address;

	mutex_lock(&rdu->window_lock);
	if (rdu->windows_up && !file->unmapped && view->epoch == rdu->window_epoch) {
		page = view->first + (vmf->pgoff - view->start);
		in_window = page & ((1ull << (rdu->window_shift - PAGE_SHIFT)) - 1);
		address =
			pci_resource_start(rdu->pdev, 2) +
			((u64)view->window[(page >> (rdu->window_shift - PAGE_SHIFT)) - view->chunk]
			 << rdu->window_shift) +
			(in_window << PAGE_SHIFT);
		result = vmf_insert_pfn(vma, vmf->address, address >> PAGE_SHIFT);
	}
	mutex_unlock(&rdu->window_lock);
	return result;
}

static const struct vm_operations_struct rdu_vm_ops = {
	.open = rdu_vma_open,
	.close = rdu_vma_close,
	.fault = rdu_vma_fault,
};

/* Device memory is data: it cannot be made executable later, either. */
static void rdu_vma_set_flags(struct vm_area_struct *vma)
{
	vm_flags_t flags = VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP;

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	vma->vm_flags = (vma->vm_flags | flags) & ~VM_MAYEXEC;
#else
	vm_flags_mod(vma, flags, VM_MAYEXEC);
#endif
}

/* mmap() of a memory object, or of a part of it, at the offset that it was given. */
int rdu_window_mmap(struct rdu_file *file, struct vm_area_struct *vma)
{
	struct rdu_device *rdu = file->rdu;
	u32 shift = ilog2(rdu_memory_mmap_offset(1)) - PAGE_SHIFT;
	u64 in_object = vma->vm_pgoff & ((1ull << shift) - 1);
	struct rdu_memory *memory;
	struct rdu_view *view;
	u64 pages = vma_pages(vma);
	int err;

	BUILD_BUG_ON(PAGE_SHIFT != RDU_PAGE_SHIFT);
	err = rdu_file_error(file);
	if (err)
		return err;
	if (!(vma->vm_flags & VM_SHARED) || vma->vm_flags & VM_EXEC)
		return -EINVAL;
	memory = rdu_memory_get(file, vma->vm_pgoff >> shift);
	if (!memory)
		return -EINVAL;
	if (memory->type == RDU_MEMORY_HOST || in_object >= memory->pages ||
	    pages > memory->pages - in_object) {
		err = -EINVAL;
		goto put;
	}
	view = kzalloc(sizeof(*view), GFP_KERNEL_ACCOUNT);
	if (!view) {
		err = -ENOMEM;
		goto put;
	}
	kref_init(&view->ref);
	view->memory = memory;
	view->start = vma->vm_pgoff;
	view->first = (file->space[memory->type].base >> PAGE_SHIFT) + memory->first + in_object;
	mutex_lock(&rdu->window_lock);
	err = !rdu->windows_up || file->unmapped
		      ? -EIO
		      : rdu_view_take_windows(rdu, view, rdu_window_memory[memory->type], pages);
	mutex_unlock(&rdu->window_lock);
	if (err) {
		kfree(view);
		goto put;
	}
	rdu_vma_set_flags(vma);
	vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
	vma->vm_private_data = view;
	vma->vm_ops = &rdu_vm_ops;
	return 0;
put:
	rdu_memory_put(memory);
	return err;
}
