-- Every charge is updated once, when it is settled, and those of a page are settled together: the page needs room for a second version of
-- all of them. Then no index is touched (a HOT update), where an update that has to move to another page writes to all of them again.
-- Pages that are full already stay as they are.
ALTER TABLE charges SET (fillfactor = 45);
